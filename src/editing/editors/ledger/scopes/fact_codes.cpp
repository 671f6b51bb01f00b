#include "editing/editors/ledger/scopes/fact_codes.h"

#include <fmt/format.h>

#include <array>
#include <map>

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

at::Tensor count_facts(const at::Tensor& codes, const std::vector<std::string>& facts) {
  std::map<FactCode, int32_t> known;
  for (const auto& fact : facts)
    if (!fact.empty()) ++known[fact_code(fact)];
  const auto read = codes.to(at::kCPU).to(at::kFloat).contiguous();
  auto counts = at::zeros({read.size(0)}, at::kInt);
  if (known.empty()) return counts;
  const auto* next = read.data_ptr<float>();
  for (int64_t i = 0; i < read.size(0); ++i, next += kFactWidth) {
    FactCode code;
    std::copy(next, next + kFactWidth, code.begin());
    if (const auto found = known.find(code); found != known.end())
      counts.data_ptr<int32_t>()[i] = found->second;
  }
  return counts;
}

void check_fact_codes(const at::Tensor& codes, int64_t count, const std::string& file) {
  if (codes.sizes() != at::IntArrayRef{count, kFactWidth})
    throw Error(
        "editing::ledger",
        fmt::format("{}: 'calibration_facts' does not belong to the calibration keys", file),
        "train the editor again with `emend train --editor ledger`");
}

}  // namespace emend
