#include "editing/editors/ledger/scopes/question_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {

at::Tensor text_bytes(const std::vector<std::string>& texts) {
  size_t longest = 0;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  auto bytes = at::zeros({static_cast<int64_t>(texts.size()), static_cast<int64_t>(longest)});
  auto* row = bytes.data_ptr<float>();
  for (const auto& text : texts) {
    for (size_t i = 0; i < text.size(); ++i)
      row[i] = static_cast<float>(static_cast<unsigned char>(text[i]));
    row += longest;
  }
  return bytes;
}

std::vector<std::string> texts_of_bytes(const at::Tensor& bytes, int64_t count,
                                        const std::string& file) {
  const auto refuse = [&] {
    throw Error(
        "editing::ledger",
        fmt::format("{}: 'calibration_texts' does not belong to the calibration keys", file),
        "train the editor again with `emend train --editor ledger`");
  };
  if (bytes.dim() != 2 || bytes.size(0) != count) refuse();
  const auto read = bytes.to(at::kCPU).to(at::kFloat).contiguous();
  const auto* next = read.data_ptr<float>();
  std::vector<std::string> texts(static_cast<size_t>(count));
  for (auto& text : texts)
    for (int64_t i = 0; i < read.size(1); ++i, ++next) {
      if (!(*next >= 0 && *next < 256)) refuse();
      if (*next >= 1) text += static_cast<char>(static_cast<unsigned char>(*next));
    }
  return texts;
}

}  // namespace emend
