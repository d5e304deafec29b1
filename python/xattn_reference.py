"""The reference modules in PyTorch, whose numbers xattn's C++ modules reproduce.

Letters in shapes: B batch, N image tokens, T text tokens, E = C embedding width, H heads, h x w the
latent map, N = h * w. Every module can be scripted and traced by torch.jit.
"""

import math

import torch
from torch import Tensor, nn

TOKEN_LAYOUTS = ("spatial", "reinterpret", "published")


class CrossAttention(nn.Module):
    """Attention from image tokens to text tokens.

    q = query_proj(image), k = key_proj(text), v = value_proj(text), split into heads [B,H,.,E/H];
    output = out_proj(merge_heads(softmax(q k^T / sqrt(embed_dim)) v)).
    The scale is that of the whole width, not of one head: weights are trained with it.

    Shapes: image_features [B,N,E], text_features [B,T,E] -> [B,N,E].
    """

    def __init__(self, embed_dim: int, num_heads: int = 8) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads != 0:
            raise ValueError(f"embed_dim {embed_dim} does not divide into {num_heads} heads")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.query_proj = nn.Linear(embed_dim, embed_dim)
        self.key_proj = nn.Linear(embed_dim, embed_dim)
        self.value_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        q = self.split_heads(self.query_proj(image_features))
        k = self.split_heads(self.key_proj(text_features))
        v = self.split_heads(self.value_proj(text_features))
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(self.embed_dim)
        weights = torch.softmax(scores, dim=-1)
        return self.out_proj(self.merge_heads(torch.matmul(weights, v)))

    def split_heads(self, x: Tensor) -> Tensor:
        """[B,L,E] -> [B,H,L,E/H]."""
        head_dim = self.embed_dim // self.num_heads
        return x.view(x.size(0), x.size(1), self.num_heads, head_dim).transpose(1, 2)

    def merge_heads(self, x: Tensor) -> Tensor:
        """[B,H,L,E/H] -> [B,L,E]."""
        return x.transpose(1, 2).reshape(x.size(0), x.size(2), self.embed_dim)


class SimpleUNet(nn.Module):
    """One step down, cross attention to the text, one step up.

    output = upsample(to_map(cross_attention(to_tokens(downsample(images)), text_features))).

    Shapes: images [B,3,H,W], text_features [B,T,E] -> [B,3,2*(H//2),2*(W//2)]; the latent is [B,E,h,w] with
    h = H//2 and w = W//2.

    token_layout says how the latent becomes tokens [B,N,E]:
      "spatial"      flatten(2).transpose(1, 2) and its inverse: token i is pixel i;
      "reinterpret"  view(B,-1,C) and view(B,C,h,w): memory is read anew, a token is not a pixel;
      "published"    view(B,-1,C) and view(B,C,1,1), the published code to the letter, which throws
                     unless the latent is 1x1. There all three agree.
    """

    def __init__(self, embed_dim: int, token_layout: str = "spatial") -> None:
        super().__init__()
        if token_layout not in TOKEN_LAYOUTS:
            raise ValueError(f"token_layout {token_layout!r} is none of {', '.join(TOKEN_LAYOUTS)}")
        self.embed_dim = embed_dim
        self.token_layout = token_layout
        self.downsample = nn.Conv2d(3, embed_dim, kernel_size=4, stride=2, padding=1)
        self.upsample = nn.ConvTranspose2d(embed_dim, 3, kernel_size=4, stride=2, padding=1)
        self.cross_attention = CrossAttention(embed_dim)

    def forward(self, images: Tensor, text_features: Tensor) -> Tensor:
        latent = self.downsample(images)
        B, C, h, w = latent.size()
        if self.token_layout == "spatial":
            tokens = latent.flatten(2).transpose(1, 2)
        elif self.token_layout == "reinterpret":
            tokens = latent.reshape(B, h * w, C)
        else:
            tokens = latent.view(B, -1, C)
        tokens = self.cross_attention(tokens, text_features)
        if self.token_layout == "spatial":
            latent = tokens.transpose(1, 2).reshape(B, C, h, w)
        elif self.token_layout == "reinterpret":
            latent = tokens.reshape(B, C, h, w)
        else:
            latent = tokens.view(B, C, 1, 1)
        return self.upsample(latent)
