#include "editing/editors/ledger/fact_codes.h"

#include <fmt/format.h>

#include <array>

#include "io/error.h"
#include "io/hash.h"

namespace emend {
namespace {

using FactCode = std::array<float, kFactWidth>;

FactCode fact_code(const std::string& fact) {
  FactCode code{};
  if (fact.empty()) return code;
  const auto hex = hash_hex(fact);
  for (size_t i = 0; i < code.size(); ++i)
    code[i] = static_cast<float>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  return code;
}

}  // namespace

at::Tensor fact_codes(const std::vector<std::string>& facts) {
  auto codes = at::empty({static_cast<int64_t>(facts.size()), kFactWidth});
  auto* next = codes.data_ptr<float>();
  for (const auto& fact : facts)
    for (const auto byte : fact_code(fact)) *next++ = byte;
  return codes;
}

at::Tensor has_fact(const at::Tensor& codes, const std::set<std::string>& facts) {
  std::set<FactCode> known;
  for (const auto& fact : facts)
    if (!fact.empty()) known.insert(fact_code(fact));
  const auto read = codes.to(at::kCPU).to(at::kFloat).contiguous();
  auto has = at::empty({read.size(0)}, at::kBool);
  const auto* next = read.data_ptr<float>();
  for (int64_t i = 0; i < read.size(0); ++i, next += kFactWidth) {
    FactCode code;
    std::copy(next, next + kFactWidth, code.begin());
    has.data_ptr<bool>()[i] = known.count(code) > 0;
  }
  return has;
}

void check_fact_codes(const at::Tensor& codes, int64_t count, const std::string& file) {
  if (codes.sizes() != at::IntArrayRef{count, kFactWidth})
    throw Error(
        "editing::ledger",
        fmt::format("{}: 'calibration_facts' does not belong to the calibration keys", file),
        "train the editor again with `emend train --editor ledger`");
}

}  // namespace emend
