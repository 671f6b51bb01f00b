// Computes sentence embeddings of texts, to compare them with another implementation.
//   emend-embed-texts FOLDER mean|cls TEXTS.json OUT.safetensors

#include <chrono>
#include <cstdio>

#include "io/error.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "models/sentence/sentence_encoder.h"

namespace {

using namespace emend;

void embed(const std::string& folder, const std::string& pooling, const std::string& texts_file,
           const std::string& output) {
  const auto json = read_json(texts_file);
  const auto texts = json_get<std::vector<std::string>>({{"texts", json}}, "texts", texts_file);
  const auto encoder = SentenceEncoder::load(
      folder, pooling == "cls" ? SentenceEncoder::Pooling::cls : SentenceEncoder::Pooling::mean);
  const auto begin = std::chrono::steady_clock::now();
  const auto embeddings = encoder->embed(texts);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  write_safetensors(output, {{"embeddings", embeddings}},
                    {{"fingerprint", encoder->fingerprint()}});
  std::printf("%zu texts, %ld dimensions, %.2f s\n", texts.size(),
              static_cast<long>(encoder->width()), seconds.count());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: emend-embed-texts FOLDER mean|cls TEXTS.json OUT.safetensors\n");
    return 1;
  }
  try {
    embed(argv[1], argv[2], argv[3], argv[4]);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
