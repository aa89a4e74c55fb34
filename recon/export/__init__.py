"""Writers of other programs' file formats, one module per format."""
