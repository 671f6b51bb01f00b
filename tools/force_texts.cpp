// Computes tokens and logits of texts with teacher-forced answers, to compare them with another
// implementation.
//   emend-force-texts FOLDER TEXTS.json OUT.safetensors
// TEXTS.json: [{"prompt": "...", "answer": "...", "images": ["FILE", ...]}, ...], where the images
// are optional. A prompt that already has the model's chat template is not changed. OUT has
// `N.tokens` (T), without image tokens, and `N.logits` (T, V), float32, with them, for each entry.

#include <fmt/format.h>

#include <cstdio>

#include "io/error.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "models/vlm.h"

namespace {

using namespace emend;

void force(const std::string& folder, const std::string& texts_file, const std::string& output) {
  const auto texts = read_json(texts_file);
  if (!texts.is_array())
    throw Error("tools::force_texts", "'" + texts_file + "' is not a list", "correct the file");
  const auto vlm = load_vlm(folder, {.chat_template = false});
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (size_t i = 0; i < texts.size(); ++i) {
    Query query{std::nullopt, json_get<std::string>(texts[i], "prompt", texts_file)};
    if (texts[i].contains("images"))
      for (const auto& file : json_get<std::vector<std::string>>(texts[i], "images", texts_file))
        query.add(read_image(file));
    const auto row =
        teacher_force(vlm, {query}, {json_get<std::string>(texts[i], "answer", texts_file)}).at(0);
    tensors.emplace_back(fmt::format("{}.tokens", i), at::tensor(row.tokens, at::kLong));
    tensors.emplace_back(fmt::format("{}.logits", i), row.logits.contiguous());
  }
  write_safetensors(output, tensors);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: emend-force-texts FOLDER TEXTS.json OUT.safetensors\n");
    return 1;
  }
  try {
    force(argv[1], argv[2], argv[3]);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
