#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "models/core/model.h"

namespace emend {
namespace {

[[noreturn]] void refuse_row(size_t row, const std::string& what, const std::string& hint = {}) {
  throw Error("models::begin", fmt::format("row {} {}", row, what), hint);
}

// Returns the position of every id: counted within segment 0, and for other segments from the end
// of segment 0.
std::vector<int64_t> count_positions(const Row& row) {
  const auto& segments = row.segments;
  std::vector<int64_t> positions(row.ids.size());
  const int64_t shared = segments.empty() ? static_cast<int64_t>(row.ids.size())
                                          : std::count(segments.begin(), segments.end(), 0);
  std::map<int64_t, int64_t> next;
  for (size_t i = 0; i < positions.size(); ++i) {
    const int64_t segment = segments.empty() ? 0 : segments[i];
    positions[i] = next.try_emplace(segment, segment == 0 ? 0 : shared).first->second++;
  }
  return positions;
}

void check_ids(const Row& row, size_t index, int64_t vocabulary) {
  if (row.ids.empty()) refuse_row(index, "is empty");
  for (int64_t id : row.ids)
    if (id != kImageToken && (id < 0 || id >= vocabulary))
      refuse_row(index,
                 fmt::format("has token id {}, but the vocabulary has {} tokens", id, vocabulary),
                 "check that the tokenizer belongs to this model");
  if (row.segments.empty()) return;
  if (row.segments.size() != row.ids.size())
    refuse_row(index,
               fmt::format("has {} ids, but {} segments", row.ids.size(), row.segments.size()));
  if (*std::min_element(row.segments.begin(), row.segments.end()) < 0)
    refuse_row(index, "has a negative segment");
}

// The number of image tokens of each picture.
std::vector<int64_t> count_image_tokens(const Model& model, const Pictures& pixels) {
  if (model.num_image_tokens() != Model::kVariable && pixels.defined() && !pixels.same_size())
    throw Error("models::request", "the pictures of a batch have different sizes",
                "use one picture per batch; this model does not resize pictures");
  std::vector<int64_t> counts;
  for (const auto& picture : pixels) counts.push_back(model.image_tokens(picture));
  return counts;
}

void check_images(const Row& row, size_t index, const Model& model,
                  const std::vector<int64_t>& image_tokens) {
  if (!model.reads_pictures() && !row.images.empty())
    refuse_row(index, "has a picture, but this model reads text only");
  const auto images = static_cast<int64_t>(image_tokens.size());
  int64_t expected = 0;
  for (int64_t image : row.images) {
    if (image < 0 || image >= images)
      refuse_row(index, fmt::format("uses image {}, but the batch has {} images", image, images));
    expected += image_tokens[static_cast<size_t>(image)];
  }
  const int64_t tokens = std::count(row.ids.begin(), row.ids.end(), kImageToken);
  const bool variable = model.num_image_tokens() == Model::kVariable;
  if (tokens != expected)
    refuse_row(index,
               fmt::format("has {} image tokens for {} images, expected {}", tokens,
                           row.images.size(), expected),
               variable ? "the number of image tokens depends on the size of the picture"
                        : fmt::format("one image has {} image tokens", model.num_image_tokens()));
}

// (A, T) of each row -> (A, B, length), with 0 for padding.
at::Tensor padded_rotary(const std::vector<at::Tensor>& rows, int64_t length, PadSide pad) {
  std::vector<at::Tensor> padded;
  for (const auto& row : rows) {
    const auto missing = length - row.size(1);
    const int64_t before = pad == PadSide::left ? missing : 0;
    padded.push_back(at::constant_pad_nd(row, {before, missing - before}));
  }
  return at::stack(padded, 1);
}

at::Tensor vector_tensor(const std::vector<int64_t>& values, at::IntArrayRef shape) {
  return at::tensor(values, at::kLong).view(shape);
}

}  // namespace

Pass Model::collate(const Batch& batch, PadSide pad) const {
  if (batch.rows.empty())
    throw Error("models::begin", "the batch has no rows", "add at least one prompt");
  const auto image_tokens = count_image_tokens(*this, batch.pixels);
  const int64_t most =
      image_tokens.empty() ? 0 : *std::max_element(image_tokens.begin(), image_tokens.end());
  const int64_t rows = batch.rows.size();
  size_t longest = 0;
  bool segmented = false;
  for (const auto& row : batch.rows) {
    longest = std::max(longest, row.ids.size());
    segmented = segmented || !row.segments.empty();
  }

  const int64_t length = longest;
  std::vector<int64_t> ids(rows * length, 0), segments(rows * length, 0);
  std::vector<int64_t> positions(rows * length, -1), image_positions, sources, users,
      prompt_lengths;
  std::vector<at::Tensor> rotary;
  auto mask = at::zeros({rows, length}, at::kBool);
  for (int64_t r = 0; r < rows; ++r) {
    const auto& row = batch.rows[r];
    check_ids(row, r, vocabulary());
    check_images(row, r, *this, image_tokens);
    const auto counted = count_positions(row);
    rotary.push_back(rotary_positions(row, counted, batch.pixels));
    const int64_t needed = 1 + *std::max_element(counted.begin(), counted.end());
    if (needed > max_positions())
      refuse_row(
          r, fmt::format("needs {} positions, but the model has only {}", needed, max_positions()),
          "shorten the prompt or the answer");

    const int64_t begin =
        r * length + (pad == PadSide::left ? length - static_cast<int64_t>(row.ids.size()) : 0);
    std::copy(row.ids.begin(), row.ids.end(), ids.begin() + begin);
    std::copy(row.segments.begin(), row.segments.end(), segments.begin() + begin);
    std::copy(counted.begin(), counted.end(), positions.begin() + begin);
    std::fill_n(mask.data_ptr<bool>() + begin, row.ids.size(), true);
    int64_t filled = 0;  // of the image tokens of the next image
    auto image = row.images.begin();
    for (size_t i = 0; i < row.ids.size(); ++i) {
      if (row.ids[i] != kImageToken) continue;
      image_positions.push_back(begin + static_cast<int64_t>(i));
      sources.push_back(*image * most + filled);
      if (++filled == image_tokens[static_cast<size_t>(*image)]) ++image, filled = 0;
    }
    for (int64_t image : row.images) users.insert(users.end(), {image, r});
    const auto size = static_cast<int64_t>(row.ids.size());
    if (row.prompt_length > size)
      refuse_row(r,
                 fmt::format("has a prompt of {} ids, but only {} ids", row.prompt_length, size));
    prompt_lengths.push_back(row.prompt_length < 0 ? size : row.prompt_length);
  }

  Pass pass;
  // Pictures that no row uses are not encoded; a pass without pictures is text only.
  if (!users.empty()) pass.pixels = batch.pixels.to(device());
  if (rotary.front().defined())
    pass.rotary_positions = padded_rotary(rotary, length, pad).to(device());
  pass.ids = vector_tensor(ids, {rows, length}).to(device());
  pass.mask = mask.to(device());
  if (segmented) pass.segments = vector_tensor(segments, {rows, length}).to(device());
  pass.positions = vector_tensor(positions, {rows, length}).to(device());
  pass.prompt_lengths = vector_tensor(prompt_lengths, {rows}).to(device());
  pass.image_positions = vector_tensor(image_positions, {-1}).to(device());
  pass.image_source = vector_tensor(sources, {-1}).to(device());
  pass.image_rows = vector_tensor(users, {static_cast<int64_t>(users.size()) / 2, 2}).to(device());
  return pass;
}

}  // namespace emend
