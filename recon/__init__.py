"""From posed frames to Gaussian splats: captures, starting points, the fit, the rasterizer and exports."""
