#include "sample_record.h"

#include <cstdint>

namespace emend::bench {
namespace {

Picture noise_picture(int pixels, uint64_t seed) {
  auto image = std::make_shared<Image>();
  image->width = image->height = pixels;
  uint64_t state = seed;
  for (int i = 0; i < pixels * pixels * 3; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    image->rgb.push_back(static_cast<uint8_t>(state >> 56));
  }
  return {{}, image};
}

}  // namespace

Record sample_record(int pixels) {
  const auto edited = noise_picture(pixels, 1), similar = noise_picture(pixels, 2),
             unrelated = noise_picture(pixels, 3);
  Record record;
  record.id = "sample";
  record.image = edited;
  record.prompt = "What shape is it?";
  record.target = "two red stars";
  record.probes = {
      {Group::text_generality, edited, "Which shape is this?", record.target, true},
      {Group::image_generality, similar, record.prompt, record.target, true},
      {Group::text_locality, {}, "what is the colour of the moon", "blue"},
      {Group::image_locality, unrelated, "How many shapes are there?", "three"},
  };
  return record;
}

Protocol sample_protocol() {
  auto protocol = make_protocol("mmedit-2024");
  protocol.generate_answers = false;
  return protocol;
}

EditRequest request_of(const Record& record, const Protocol& protocol) {
  return {record.image, edit_prompt(protocol, record), continuation(protocol, record.target)};
}

}  // namespace emend::bench
