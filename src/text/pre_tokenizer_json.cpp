#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "io/error.h"
#include "text/pre_tokenizer.h"
#include "text/spec.h"

namespace emend::text {
namespace {

constexpr std::string_view kWhere = "pre_tokenizer";

SplitBehavior behavior_of(const std::string& name) {
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  not_implemented("pre_tokenizer Split behavior", name);
}

// A literal string as a pattern that matches just it.
std::string quoted(const std::string& text) {
  std::string pattern;
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && std::ispunct(static_cast<unsigned char>(c)))
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

Regex split_pattern(const nlohmann::json& spec) {
  const auto& pattern = spec_object(spec, "pattern", "pre_tokenizer Split");
  if (pattern.contains("Regex")) return Regex(spec_string(pattern, "Regex", "pre_tokenizer Split"));
  const auto literal = spec_string(pattern, "String", "pre_tokenizer Split");
  if (literal.empty()) malformed("pre_tokenizer Split", "the pattern is empty");
  return Regex(quoted(literal));
}

std::unique_ptr<PreTokenizer> step(const nlohmann::json& spec, int depth);

std::unique_ptr<PreTokenizer> sequence(const nlohmann::json& spec, int depth) {
  if (depth > 8) malformed(kWhere, "sequences are nested more than 8 deep");
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const auto& part : spec_array(spec, "pretokenizers", kWhere))
    steps.push_back(step(part, depth + 1));
  return std::make_unique<SequencePreTokenizer>(std::move(steps));
}

std::unique_ptr<PreTokenizer> step(const nlohmann::json& spec, int depth) {
  const std::string type = spec_type(spec, kWhere);
  if (type == "Sequence") return sequence(spec, depth);
  if (type == "ByteLevel")
    return std::make_unique<ByteLevelPreTokenizer>(
        spec_bool(spec, "add_prefix_space", true, kWhere),
        spec_bool(spec, "use_regex", true, kWhere));
  if (type == "Split")
    return std::make_unique<SplitPreTokenizer>(split_pattern(spec),
                                               behavior_of(spec_string(spec, "behavior", kWhere)),
                                               spec_bool(spec, "invert", false, kWhere));
  if (type == "Digits")
    return std::make_unique<SplitPreTokenizer>(Regex("\\p{N}"),
                                               spec_bool(spec, "individual_digits", false, kWhere)
                                                   ? SplitBehavior::isolated
                                                   : SplitBehavior::contiguous,
                                               false);
  not_implemented(kWhere, type);
}

// The types in the order in which they run.
void types(const nlohmann::json& spec, std::vector<std::string>& out) {
  const std::string type = spec_type(spec, kWhere);
  if (type != "Sequence") {
    out.push_back(type);
    return;
  }
  for (const auto& part : spec_array(spec, "pretokenizers", kWhere)) types(part, out);
}

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const nlohmann::json& spec) {
  if (spec.is_null()) not_implemented(kWhere, "null");
  auto made = step(spec, 0);
  // BPE works on bytes here, so the one step that makes bytes must be there, and be the last.
  std::vector<std::string> order;
  types(spec, order);
  const auto first = std::find(order.begin(), order.end(), "ByteLevel");
  if (order.empty() || first != order.end() - 1)
    not_implemented(kWhere, fmt::format("{}", fmt::join(order, " + ")));
  return made;
}

}  // namespace emend::text
