"""What a network looks at: attention, saliency, and how far each layer sees."""

from mmvideo.explain.attention import Attended, AttentionMaps, attention_maps, captured_attention
from mmvideo.explain.reach import LayerReach, layer_reaches
from mmvideo.explain.saliency import Saliency, grad_cam

__all__ = ["Attended", "AttentionMaps", "LayerReach", "Saliency", "attention_maps", "captured_attention", "grad_cam",
           "layer_reaches"]
