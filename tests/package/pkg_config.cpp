// Uses what is made of zlib and of utf8proc, both of them hidden in xattn. That neither file is there is an error
// of xattn's own type.

#include <xattn/core/error.h>
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
  return caught == 2 ? 0 : 1;
}
