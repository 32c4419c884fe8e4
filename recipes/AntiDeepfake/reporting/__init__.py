"""The parts of the report: what is read, measured, drawn and written.

`inputs` reads score files and `detectors` what is known of their makers; `measure`,
`transfer`, `systems`, `worst` and `maps` compute; `cells` puts figures into tables,
`svg` and `figures` into pictures; the `sections` say what they show; `page` writes HTML
and Markdown, and `build` does it all. PyTorch is needed only to look up the SSL model
of a detector folder.
"""
