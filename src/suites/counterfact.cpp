#include "suites/counterfact.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "io/error.h"
#include "io/json.h"
#include "suites/json_rows.h"

namespace emend {
namespace {

using Json = nlohmann::json;
constexpr const char* kPlace = "suites::counterfact";

std::vector<std::string> texts(const Json& row, const char* name, const std::string& where) {
  return json_get_or<std::vector<std::string>>(row, name, {}, where);
}

// A field with one text, where it is there.
std::vector<std::string> text(const Json& row, const char* name, const std::string& where) {
  auto found = json_get_or<std::string>(row, name, {}, where);
  return found.empty() ? std::vector<std::string>() : std::vector<std::string>{found};
}

struct Fact {
  std::string prompt, target, truth;
  std::vector<std::string> rewordings, neighbours;
  std::string neighbours_truth;
};

Fact released(const Json& row, const std::string& where) {
  const auto rewrite = json_get<Json>(row, "requested_rewrite", where);
  const auto text_of = [&](const char* name) {
    return json_get<std::string>(json_get<Json>(rewrite, name, where), "str", where);
  };
  Fact fact;
  fact.prompt = json_get<std::string>(rewrite, "prompt", where);
  if (const auto slot = fact.prompt.find("{}"); slot != std::string::npos)
    fact.prompt.replace(slot, 2, json_get<std::string>(rewrite, "subject", where));
  fact.target = text_of("target_new");
  fact.truth = text_of("target_true");
  fact.rewordings = texts(row, "paraphrase_prompts", where);
  fact.neighbours = texts(row, "neighborhood_prompts", where);
  fact.neighbours_truth = fact.truth;  // neighbours share the fact that the edit denies
  return fact;
}

Fact flat(const Json& row, const std::string& where) {
  Fact fact;
  fact.prompt = json_get<std::string>(row, "prompt", where);
  fact.target = json_get<std::string>(row, "target_new", where);
  fact.truth = json_get_or<std::string>(row, "ground_truth", {}, where);
  fact.rewordings = text(row, "rephrase_prompt", where);
  fact.neighbours = text(row, "locality_prompt", where);
  fact.neighbours_truth = json_get_or<std::string>(row, "locality_ground_truth", {}, where);
  return fact;
}

Fact parse(const JsonRows& rows, size_t index) {
  const auto row = rows.row(index);
  const auto where = rows.where(index);
  return row.is_object() && row.contains("requested_rewrite") ? released(row, where)
                                                              : flat(row, where);
}

std::string reason_to_leave_out(const Fact& fact) {
  return fact.prompt.empty() ? "empty prompt" : fact.target.empty() ? "empty target_new" : "";
}

class CounterFactSuite : public Suite {
 public:
  explicit CounterFactSuite(const SuiteOptions& options)
      : rows_(data_file(options)),
        read_(options.limit > 0 ? std::min(options.limit, rows_.size()) : rows_.size()) {
    for (size_t i = 0; i < read_; ++i) {
      const auto reason = reason_to_leave_out(parse(rows_, i));
      if (reason.empty())
        kept_.push_back(i);
      else
        ++filtered_[reason];
    }
    if (kept_.empty())
      throw Error(
          kPlace,
          fmt::format("nothing is left of '{}': {} rows read, all left out for empty fields",
                      rows_.path(), read_),
          "check that it is the right file");
  }

  size_t size() const override { return kept_.size(); }
  bool completions() const override { return true; }

  Record record(size_t index) const override {
    if (index >= kept_.size())
      throw Error(kPlace, fmt::format("record {} of {} is asked for", index, kept_.size()));
    const auto fact = parse(rows_, kept_[index]);
    Record record;
    record.id = fmt::format("counterfact-{}", kept_[index]);
    record.prompt = fact.prompt;
    record.target = fact.target;
    record.truth = fact.truth;
    const auto add = [&](Group group, const std::string& text, const std::string& answer) {
      record.probes.push_back({group, {}, text, answer});
    };
    add(Group::reliability, fact.prompt, fact.target);
    for (const auto& text : fact.rewordings) add(Group::text_generality, text, fact.target);
    if (!fact.neighbours_truth.empty())
      for (const auto& text : fact.neighbours)
        add(Group::text_locality, text, fact.neighbours_truth);
    return record;
  }

  Json facts() const override {
    return {{"name", "counterfact"},
            {"file", rows_.path()},
            {"hash", rows_.hash()},
            {"rows", rows_.size()},
            {"read", read_},
            {"filtered", filtered_},
            {"kept", kept_.size()},
            {"missing_images", {{"records", 0}, {"files", 0}, {"first", Json::array()}}}};
  }

 private:
  static const std::string& data_file(const SuiteOptions& options) {
    if (options.data.empty())
      throw Error(kPlace, "counterfact needs its data", "name the file with --data");
    if (!options.images.empty() || !options.rephrase_images.empty() || options.grid)
      throw Error(kPlace, "counterfact has no pictures",
                  "leave the image folders and the grid out, or name another suite");
    return options.data;
  }

  JsonRows rows_;
  size_t read_;
  std::vector<size_t> kept_;
  std::map<std::string, size_t> filtered_;
};

}  // namespace

std::unique_ptr<Suite> open_counterfact(const SuiteOptions& options) {
  return std::make_unique<CounterFactSuite>(options);
}

}  // namespace emend
