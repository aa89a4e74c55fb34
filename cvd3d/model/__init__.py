"""The generator's network: an AnimateDiff UNet with CameraCtrl's cameras and the paper's cross-view module."""
