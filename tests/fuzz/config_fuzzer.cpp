// A config.json for each class. What is read is written, and read again the same.
#include <c10/util/Exception.h>

#include "fuzz/support/fuzz.h"
#include "xattn/core/error.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl_config.h"
#include "xattn/models/clip/clip_text_config.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"

namespace xattn::fuzz {
namespace {

struct Silence : c10::WarningHandler {
  void process(const c10::Warning& /*warning*/) override {}
};

template <typename Config>
void run(const std::string& text) {
  std::string written;
  try {
    written = Config::from_json(text).to_json();
  } catch (const ValueError& error) {
    expect(std::string_view(error.what()).starts_with('['), "a message says where");
    return;
  }
  try {
    expect(Config::from_json(written).to_json() == written, "what was read is written the same");
  } catch (const ValueError&) {
    broken("what was written can be read");
  }
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xattn;
  static fuzz::Silence silence;
  c10::WarningUtils::set_warning_handler(&silence);
  const std::string text(reinterpret_cast<const char*>(data), size);
  fuzz::run<UNet2DConditionConfig>(text);
  fuzz::run<AutoencoderKLConfig>(text);
  fuzz::run<CLIPTextConfig>(text);
  return 0;
}
