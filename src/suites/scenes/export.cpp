#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/files/file.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

const Probe* first(const Record& record, Group group) {
  for (const auto& probe : record.probes)
    if (probe.group == group) return &probe;
  return nullptr;
}

// The text fact behind a new name of a creature.
std::pair<std::string, std::string> fact_behind(const Record& record, const Probe& probe) {
  int named = creature_named(record.target);
  for (int i = 0; named >= 0 && i < kAttributes; ++i) {
    auto attribute = static_cast<Attribute>(i);
    auto name = std::string(attribute_name(attribute));
    for (const auto& wording : phrases("one_hop/" + name).wordings)
      if (wording == probe.text && attribute_of(creatures()[named], attribute) == probe.answer)
        return {fill_in(phrases("fact/" + name).wordings[0], record.target), probe.answer};
  }
  return {record.prompt, record.target};
}

class Exporter {
 public:
  Exporter(const std::filesystem::path& directory, const std::string& name)
      : directory_(directory), name_(name) {}

  nlohmann::json write(const Record& record, size_t index) {
    if (!record.image.present())
      throw Error("suites::export", "record " + record.id + " has no picture",
                  "MMEdit files can contain only edits about pictures");
    nlohmann::json row;
    row["src"] = record.prompt;
    row["pred"] = record.before.empty() ? record.truth : record.before;
    row["alt"] = record.target;
    auto stem = fmt::format("images/{}_{:06}", name_, index);
    row["image"] = picture(record.image, stem + ".png");

    const auto* reworded = first(record, Group::text_generality);
    row["rephrase"] = reworded ? reworded->text : "";
    const auto* redrawn = first(record, Group::image_generality);
    row["image_rephrase"] = redrawn ? picture(redrawn->image, stem + "_rephrase.png") : "";
    const auto* text = first(record, Group::text_locality);
    row["loc"] = text ? text->text : "";
    row["loc_ans"] = text ? text->answer : "";
    const auto* elsewhere = first(record, Group::image_locality);
    row["m_loc"] = elsewhere ? picture(elsewhere->image, stem + "_loc.png") : "";
    row["m_loc_q"] = elsewhere ? elsewhere->text : "";
    row["m_loc_a"] = elsewhere ? elsewhere->answer : "";

    auto follows = nlohmann::json::array();
    for (const auto& probe : record.probes) {
      if (probe.group != Group::portability) continue;
      auto [fact, answer] = fact_behind(record, probe);
      follows.push_back({{"port_edit_q", fact},
                         {"port_edit_a", answer},
                         {"port_q", probe.text},
                         {"port_a", probe.answer}});
      // Other tools ask this text-only question with the picture; the answer is the same.
      if (!probe.image.present()) follows.back()["port_text_only"] = true;
    }
    if (!follows.empty()) row["port_new"] = follows;
    return row;
  }

 private:
  std::string picture(const Picture& picture, const std::string& path) {
    write_png((directory_ / path).string(), picture.load());
    return path;
  }

  std::filesystem::path directory_;
  std::string name_;
};

}  // namespace

void export_mmedit(const std::string& directory, size_t count,
                   const std::function<Record(size_t)>& record, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos)
    throw Error("suites::export", "'" + name + "' is not a valid file name",
                "use letters, digits and _");
  std::filesystem::path root(directory);
  std::error_code failure;
  std::filesystem::create_directories(root / "images", failure);
  if (failure)
    throw Error("suites::export",
                "cannot create " + (root / "images").string() + ": " + failure.message(),
                "check that -o is not a file, and check the permissions of its folder");
  Exporter exporter(root, name);
  AtomicFile file((root / (name + ".json")).string());
  file.write("[");
  for (size_t i = 0; i < count; ++i) {
    file.write(i > 0 ? ",\n" : "\n");
    auto row = exporter.write(record(i), i);
    try {
      file.write(row.dump(2));
    } catch (const nlohmann::json::exception&) {
      throw Error("suites::export", fmt::format("a text of record {} is not valid UTF-8", i),
                  "this is an error in emend; please report it");
    }
  }
  file.write("\n]\n");
  file.commit();
}

void export_mmedit(const std::string& directory, const std::vector<Record>& records,
                   const std::string& name) {
  export_mmedit(
      directory, records.size(), [&](size_t i) { return records[i]; }, name);
}

}  // namespace emend::scenes
