#include "editing/training/encoder.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/error.h"

namespace emend {

std::shared_ptr<const SentenceEncoder> open_encoder(const EncoderChoice& choice,
                                                    at::Device device) {
  const auto place = "editing::" + choice.editor;
  std::error_code error;
  if (!std::filesystem::is_directory(choice.folder, error))
    throw Error(place, fmt::format("there is no sentence encoder '{}'", choice.folder),
                fmt::format("set its folder: --set {}=FOLDER", choice.setting));
  auto encoder = SentenceEncoder::load(choice.folder, choice.pooling, device);
  if (!choice.fingerprint.empty() && encoder->fingerprint() != choice.fingerprint)
    throw Error(place,
                fmt::format("'{}' is the sentence encoder {}, but {} is required", choice.folder,
                            encoder->fingerprint(), choice.fingerprint),
                fmt::format("set the folder of the required one (--set {}=FOLDER), or run `emend "
                            "train --editor {}` again",
                            choice.setting, choice.editor));
  return encoder;
}

}  // namespace emend
