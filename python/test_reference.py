"""Tests of the reference modules: shapes, token layouts, and that weights matter."""

import unittest

import torch

from xattn_reference import CrossAttention, SimpleUNet


def build_unet(layout: str) -> SimpleUNet:
    torch.manual_seed(0)
    return SimpleUNet(32, layout).eval()


class CrossAttentionTest(unittest.TestCase):
    def test_scale_is_of_the_whole_width(self) -> None:
        torch.manual_seed(0)
        module = CrossAttention(32, 4)
        image, text = torch.randn(2, 6, 32), torch.randn(2, 5, 32)
        q, k, v = (
            linear(x).unflatten(-1, (4, 8)).transpose(1, 2)
            for linear, x in (
                (module.query_proj, image),
                (module.key_proj, text),
                (module.value_proj, text),
            )
        )
        for scale, equal in ((32**-0.5, True), (8**-0.5, False)):
            heads = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
            expected = module.out_proj(heads.transpose(1, 2).flatten(2))
            self.assertEqual(torch.allclose(module(image, text), expected, atol=1e-6), equal)

    def test_every_parameter_matters(self) -> None:
        module = CrossAttention(16, 4)
        image, text = torch.randn(1, 6, 16), torch.randn(1, 5, 16)
        before = module(image, text)
        for name, parameter in module.named_parameters():
            if name == "key_proj.bias":
                continue  # adds the same to all scores of a row: softmax takes it out
            kept = parameter.detach().clone()
            with torch.no_grad():
                parameter += torch.randn_like(parameter)
            self.assertGreater((module(image, text) - before).abs().max().item(), 1e-4, name)
            with torch.no_grad():
                parameter.copy_(kept)

    def test_heads_must_divide_the_width(self) -> None:
        with self.assertRaisesRegex(ValueError, "embed_dim 12 does not divide into 8 heads"):
            CrossAttention(12)


class SimpleUNetTest(unittest.TestCase):
    def test_layouts_agree_on_a_one_by_one_latent_and_only_there(self) -> None:
        text = torch.randn(2, 5, 32)
        for size, agree in ((2, True), (3, True), (4, False)):
            images = torch.randn(2, 3, size, size)
            spatial = build_unet("spatial")(images, text)
            reinterpret = build_unet("reinterpret")(images, text)
            self.assertEqual(torch.equal(spatial, reinterpret), agree, size)
            if agree:
                self.assertTrue(torch.equal(spatial, build_unet("published")(images, text)))
            else:
                with self.assertRaises(RuntimeError):
                    build_unet("published")(images, text)

    def test_output_size_is_twice_the_halved_size(self) -> None:
        for layout in ("spatial", "reinterpret"):
            output = build_unet(layout)(torch.randn(1, 3, 9, 6), torch.randn(1, 2, 32))
            self.assertEqual(output.shape, (1, 3, 8, 6))

    def test_published_example(self) -> None:
        output = SimpleUNet(256)(torch.randn(4, 3, 64, 64), torch.randn(4, 10, 256))
        self.assertEqual(output.shape, (4, 3, 64, 64))

    def test_torchscript_gives_the_same(self) -> None:
        images, text = torch.randn(2, 3, 6, 9), torch.randn(2, 5, 32)
        for layout in ("spatial", "reinterpret"):
            module = build_unet(layout)
            scripted = torch.jit.script(module)
            traced = torch.jit.trace(module, (images[:1, :, :4, :4], text[:1, :2]))
            self.assertEqual(scripted.cross_attention.num_heads, 8)
            self.assertFalse(hasattr(traced.cross_attention, "num_heads"))
            for exported in (scripted, traced):
                self.assertTrue(torch.equal(exported(images, text), module(images, text)))

    def test_unknown_layout(self) -> None:
        with self.assertRaisesRegex(ValueError, "'diagonal' is none of spatial"):
            SimpleUNet(8, "diagonal")


if __name__ == "__main__":
    unittest.main()
