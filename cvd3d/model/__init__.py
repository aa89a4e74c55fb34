"""The video diffusion network: an AnimateDiff UNet with CameraCtrl's pose encoder and the paper's cross-view module."""

from cvd3d.model.released import from_released
from cvd3d.model.unet import CollaborativeUNet

__all__ = ["CollaborativeUNet", "from_released"]
