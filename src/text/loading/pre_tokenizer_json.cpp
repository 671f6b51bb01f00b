#include <fmt/format.h>

#include "text/loading/spec.h"
#include "text/pipeline/normalization/replacement.h"
#include "text/pipeline/pre_tokenizer.h"

namespace emend::text {
namespace {

constexpr std::string_view kPreTokenizerKey = "pre_tokenizer";

SplitBehavior behavior_of(const std::string& name) {
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  not_implemented("pre_tokenizer Split behavior", name);
}

MetaspacePreTokenizer::Prepend prepend_named(const std::string& name, std::string_view where) {
  if (name == "always") return MetaspacePreTokenizer::Prepend::always;
  if (name == "first") return MetaspacePreTokenizer::Prepend::first;
  if (name == "never") return MetaspacePreTokenizer::Prepend::never;
  not_implemented(fmt::format("{} Metaspace prepend_scheme", where), name);
}

std::unique_ptr<PreTokenizer> step(const nlohmann::json& spec, int depth);

std::unique_ptr<PreTokenizer> sequence(const nlohmann::json& spec, int depth) {
  if (depth > 8) malformed(kPreTokenizerKey, "sequences are nested more than 8 deep");
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const auto& part : spec_array(spec, "pretokenizers", kPreTokenizerKey))
    steps.push_back(step(part, depth + 1));
  return std::make_unique<SequencePreTokenizer>(std::move(steps));
}

std::unique_ptr<PreTokenizer> step(const nlohmann::json& spec, int depth) {
  const std::string type = spec_type(spec, kPreTokenizerKey);
  if (type == "Sequence") return sequence(spec, depth);
  if (type == "ByteLevel")
    return std::make_unique<ByteLevelPreTokenizer>(
        spec_bool(spec, "add_prefix_space", true, kPreTokenizerKey),
        spec_bool(spec, "use_regex", true, kPreTokenizerKey));
  if (type == "Split")
    return std::make_unique<SplitPreTokenizer>(
        read_pattern(spec, "pre_tokenizer Split"),
        behavior_of(spec_string(spec, "behavior", kPreTokenizerKey)),
        spec_bool(spec, "invert", false, kPreTokenizerKey));
  if (type == "Digits")
    return std::make_unique<SplitPreTokenizer>(
        Regex("\\p{N}"),
        spec_bool(spec, "individual_digits", false, kPreTokenizerKey) ? SplitBehavior::isolated
                                                                      : SplitBehavior::contiguous,
        false);
  if (type == "Metaspace")
    return std::make_unique<MetaspacePreTokenizer>(
        read_character(spec, "replacement", kPreTokenizerKey), read_prepend(spec, kPreTokenizerKey),
        spec_bool(spec, "split", true, kPreTokenizerKey));
  not_implemented(kPreTokenizerKey, type);
}

}  // namespace

MetaspacePreTokenizer::Prepend read_prepend(const nlohmann::json& spec, std::string_view where) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  const bool named = !spec_field(spec, "prepend_scheme").is_null();
  const auto prepend =
      named ? prepend_named(spec_string(spec, "prepend_scheme", where), where) : Prepend::always;
  // Older files have add_prefix_space, later ones prepend_scheme, and some have both.
  if (spec_bool(spec, "add_prefix_space", true, where)) return prepend;
  if (named && prepend != Prepend::never)
    malformed(where, "Metaspace's add_prefix_space and prepend_scheme contradict each other");
  return Prepend::never;
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const nlohmann::json& spec) {
  return spec.is_null() ? nullptr : step(spec, 0);
}

}  // namespace emend::text
