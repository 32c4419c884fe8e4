"""Post-training for deepfake speech detection: the recipe's behaviour."""

from recipes.AntiDeepfake.bundle import RepositoryFinder

# The names of classes in detector folders mean those of this repository here.
RepositoryFinder.install()
