// Uses what is made of zlib, of utf8proc and of the readers of pictures, all of them hidden in xattn. That no file
// is there is an error of xattn's own type.

#include <xattn/core/error.h>
#include <xattn/images/load_image.h>
#include <xattn/io/checkpoint_info.h>
#include <xattn/text/clip_tokenizer.h>

int main() {
  int caught = 0;
  try {
    xattn::inspect_checkpoint("/not/there");
  } catch (const xattn::FileError&) {
    ++caught;
  }
  try {
    xattn::CLIPTokenizer::from_pretrained("/not/there");
  } catch (const xattn::FileError&) {
    ++caught;
  }
  try {
    xattn::load_image("/not/there");
  } catch (const xattn::FileError&) {
    ++caught;
  }
  return caught == 3 ? 0 : 1;
}
