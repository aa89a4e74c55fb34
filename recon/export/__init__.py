"""Writers of other programs' formats, a module for each; the only place of `recon` where those formats exist."""
