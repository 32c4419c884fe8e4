"""The main job on the embedded mini corpus, from nothing to one table.

    python -m recipes.AntiDeepfake.demo [--seeds 0 1 2] [--data DIR] [--results DIR]

Builds the corpus; for each seed post-trains a detector, scores it zero-shot and
fine-tunes it on a few clips of another domain, beside the same fine-tuning of the
original encoder; then prints the error rates, with those of trivial predictors.
Every stage is a command that you can run yourself and is printed. A stage whose
inputs have not changed since it ended is skipped; an interrupted one goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.files import atomic_path
from recipes.AntiDeepfake.demo_table import demo_table

__all__ = ["Stage", "main"]

ROOT = Path(__file__).resolve().parents[2]
BASES = ("blocks/posttrain.yaml", "posttrain_mini.yaml")
CLIPS = 48
TESTS = ("zeroshot_test", "target_test")
# Name of a fine-tuning run -> whether it starts from the post-trained detector, and
# options. With a frozen encoder only the linear layer learns, and can do so faster.
FROZEN = {"freeze_encoder": True, "lr": 0.003}
FINETUNING = {
    "post-trained": (True, {}),
    "original": (False, {}),
    "post-trained, frozen": (True, FROZEN),
    "original, frozen": (False, FROZEN),
}


@dataclass
class Stage:
    """A command that fills a folder, done again only when its inputs change.

    Arguments
    ---------
    command : list of str
        Arguments for the Python interpreter.
    folder : Path
        What the command fills; removed first if it belongs to other inputs.
    inputs : list of Path
        Files whose content the outcome depends on, besides the code.
    """

    command: Sequence[str]
    folder: Path
    inputs: Sequence[Path]

    def run(self) -> None:
        """Run the command unless its outcome is there.

        Raises
        ------
        subprocess.CalledProcessError
            If the command fails.
        """
        stamp = self.folder / "stage.json"
        key = _fingerprint(self.command, [*self.inputs, *_code()])
        state = json.loads(stamp.read_text()) if stamp.exists() else {}
        shown = " ".join(["python", *self.command])
        if state == {"inputs": key, "done": True}:
            print(f"[there] {shown}", flush=True)
            return
        if state.get("inputs") != key:
            shutil.rmtree(self.folder, ignore_errors=True)
            _write_json(stamp, {"inputs": key, "done": False})
        run_command(self.command)
        _write_json(stamp, {"inputs": key, "done": True})


def run_command(command: Sequence[str]) -> None:
    """Print and run a command of the project, and say how long it took."""
    print(f"[run]   {' '.join(['python', *command])}", flush=True)
    start = time.monotonic()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    print(f"        {time.monotonic() - start:.0f} s", flush=True)


def _write_json(path: Path, value: dict) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value))


def _code() -> list[Path]:
    """The sources that training and evaluation run."""
    places = [ROOT / "lobes", ROOT / "recipes/AntiDeepfake"]  # with their packages
    inside = (file for place in places for file in place.rglob("*.py"))
    return sorted([*ROOT.glob("*.py"), *inside])


def _fingerprint(command: Iterable[str], files: Iterable[Path]) -> str:
    digest = hashlib.sha256(repr(list(command)).encode())
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _options(**values) -> list[str]:
    """`--key value` for each; also for values that are false."""
    pairs = [("--" + key, str(value)) for key, value in values.items()]
    return [text for pair in pairs for text in pair]


@dataclass
class Demo:
    """Where the corpus and the results are."""

    data: Path
    results: Path

    def run(self, seeds: Sequence[int]) -> None:
        """Run all stages and print the table."""
        run_command(["-m", "data_prep", "mini", "--out", str(self.data)])
        self.audit()
        for seed in seeds:
            self.posttrain(seed)
            folder = self.results / f"eval/seed{seed}"
            self.evaluate(self.posttrained(seed), folder, TESTS)
            for name, (posttrained, others) in FINETUNING.items():
                self.finetune(seed, name, posttrained, others)
        print(demo_table(self.results, seeds, list(FINETUNING)))

    def manifest(self, name: str) -> Path:
        """A manifest of the corpus."""
        return self.data / "manifests" / f"{name}.csv"

    def posttrained(self, seed: int) -> Path:
        """The detector folder of a post-training run."""
        return self.results / f"posttrain/seed{seed}/detector"

    def audit(self) -> None:
        """What trivial predictors reach, fitted on the post-training data."""
        folder = self.results / "audit"
        tests = [self.manifest(name) for name in TESTS]
        train = self.manifest("posttrain_train")
        command = ["-m", "data_prep", "audit", *map(str, tests)]
        command += _options(**{"data-root": self.data, "train": train})
        command += ["--out", str(folder / "audit.csv")]
        Stage(command, folder, [*tests, train]).run()

    def posttrain(self, seed: int) -> None:
        """Post-train from the original encoder."""
        yaml = Path("hparams/posttrain_mini.yaml")
        folder = self.posttrained(seed).parent
        options = _options(data_folder=self.data, seed=seed, output_folder=folder)
        manifests = [self.manifest("posttrain_train"), self.manifest("posttrain_valid")]
        self.train(yaml, options, folder, manifests)

    def finetune(self, seed: int, name: str, posttrained: bool, others: dict) -> None:
        """Fine-tune on a few clips, and score the test set of their domain."""
        yaml = Path("hparams/finetune_mini.yaml")
        folder = self.results / "finetune" / name.replace(", ", "-") / f"seed{seed}"
        train = self.manifest(f"target_train_{CLIPS}")
        options = _options(
            data_folder=self.data,
            train_csv=train,
            seed=seed,
            output_folder=folder,
            **others,
        )
        inputs = [train, self.manifest("target_valid")]
        if posttrained:
            options += _options(init_from=self.posttrained(seed))
            inputs += [self.posttrained(seed) / "model.safetensors"]
        self.train(yaml, options, folder, inputs)
        self.evaluate(folder / "detector", folder / "eval", TESTS[1:])

    def train(self, yaml: Path, options, folder: Path, inputs: list[Path]) -> None:
        """Run train.py; the YAML and its bases are inputs as well."""
        yamls = [ROOT / yaml, *(ROOT / "hparams" / base for base in BASES)]
        Stage(["train.py", str(yaml), *options], folder, [*inputs, *yamls]).run()

    def evaluate(self, detector: Path, folder: Path, tests: Sequence[str]) -> None:
        """Run evaluate.py on test sets."""
        yaml = "hparams/eval_mini.yaml"
        manifests = [self.manifest(name) for name in tests]
        options = _options(
            data_folder=self.data,
            test_csv=f"[{', '.join(map(str, manifests))}]",
            detector=detector,
            output_folder=folder,
        )
        inputs = [ROOT / yaml, detector / "model.safetensors", *manifests]
        Stage(["evaluate.py", yaml, *options], folder, inputs).run()


def main(arguments: list[str] | None = None) -> int:
    """Run the demo from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, default=Path("data/mini"))
    parser.add_argument("--results", type=Path, default=Path("results/mini"))
    options = parser.parse_args(arguments)
    try:
        Demo(options.data, options.results).run(options.seeds)
    except subprocess.CalledProcessError as error:
        print(f"this stage failed: {' '.join(error.cmd)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
