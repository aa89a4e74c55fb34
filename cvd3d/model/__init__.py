"""The generator's network: an AnimateDiff UNet with CameraCtrl's cameras and the paper's cross-view module."""

from cvd3d.model.released import from_released
from cvd3d.model.unet import CollaborativeUNet

__all__ = ["CollaborativeUNet", "from_released"]
