#include "editing/editors/locate/contexts/context_templates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace emend {
namespace {

constexpr std::array<const char*, 5> kStarts = {"The", "Therefore", "Because", "I", "You"};

// The text before the question in a template; empty if the prompt is not in this template.
std::string head_of(const std::string& prompt, const std::string& pattern) {
  const auto slot = pattern.find("{}");
  if (slot == std::string::npos) return {};
  const auto head = pattern.substr(0, slot);
  return prompt.starts_with(head) ? head : std::string();
}

// One altered copy: a random crop of at least 85 % of each side, resized to the size of the
// picture, a random brightness within 10 %, and uniform noise within 8 of 255 levels.
Image altered(const Image& image, std::mt19937_64& random) {
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
  };
  const double share = uniform(0.85, 1);
  const int width = std::max(1, static_cast<int>(std::lround(image.width * share)));
  const int height = std::max(1, static_cast<int>(std::lround(image.height * share)));
  const int left = static_cast<int>(uniform(0, image.width - width + 1));
  const int top = static_cast<int>(uniform(0, image.height - height + 1));
  Image crop{width, height, {}};
  crop.rgb.reserve(static_cast<size_t>(width) * height * 3);
  for (int y = top; y < top + height; ++y) {
    const auto row = image.rgb.begin() + (static_cast<int64_t>(y) * image.width + left) * 3;
    crop.rgb.insert(crop.rgb.end(), row, row + static_cast<int64_t>(width) * 3);
  }
  auto copy = resize(crop, image.width, image.height);
  const double brightness = uniform(0.9, 1.1), noise = uniform(0, 8);
  for (auto& value : copy.rgb)
    value = static_cast<uint8_t>(
        std::clamp(std::round(value * brightness + uniform(-noise, noise)), 0.0, 255.0));
  return copy;
}

}  // namespace

std::vector<std::string> generated_prefixes(const Vlm& vlm, int64_t count, int64_t tokens,
                                            uint64_t seed) {
  at::NoGradGuard no_grad;
  std::vector<std::string> prefixes;
  for (int64_t i = 0; i < count; ++i) {
    const std::string start = kStarts[static_cast<size_t>(i) % kStarts.size()];
    GenerationOptions options;
    options.max_new_tokens = tokens;
    options.temperature = 1;
    options.top_p = 0.9;
    options.seed = seed + static_cast<uint64_t>(i);
    const Batch batch{{}, {vlm.processor.row(start)}};
    // Without stop tokens, so that every prefix has the same length.
    const auto ids = generate_tokens(*vlm.model, batch, {}, {}, options).at(0);
    auto text = start + " " + answer_text(vlm.processor, ids);
    // Control characters, line ends among them, may have a meaning in a prompt.
    std::replace_if(
        text.begin(), text.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
    prefixes.push_back(text + ". ");
  }
  return prefixes;
}

EditRequest with_prefix(const Vlm& vlm, const EditRequest& request, const std::string& prefix) {
  const auto& layout = vlm.processor.layout;
  const bool picture = request.image.present();
  auto changed = request;
  auto head = head_of(request.prompt, picture ? layout.with_picture : layout.without_picture);
  if (head.empty() && picture && !layout.pictures_first)
    head = head_of(request.prompt, layout.bare_with_picture);
  changed.prompt.insert(head.size(), prefix);
  return changed;
}

std::vector<EditRequest> with_altered_pictures(const EditRequest& request, int64_t count,
                                               uint64_t seed) {
  std::vector<EditRequest> requests;
  if (!request.image.present()) return requests;
  const auto image = request.image.load();
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < count; ++i) {
    auto changed = request;
    changed.image = {"", std::make_shared<const Image>(altered(image, random))};
    requests.push_back(std::move(changed));
  }
  return requests;
}

}  // namespace emend
