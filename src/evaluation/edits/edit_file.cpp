#include "evaluation/edits/edit_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "evaluation/protocol/metrics.h"
#include "io/error.h"
#include "io/json/json_list.h"
#include "io/strings/blank.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void refuse_edit_file(const std::string& where, const std::string& problem,
                                   const std::string& hint) {
  throw Error("evaluation::edit_file", where + ": " + problem, hint);
}

// An object of the file. It records which fields were read.
class Entry {
 public:
  Entry(const json& value, std::string where, fs::path folder)
      : value_(value), where_(std::move(where)), folder_(std::move(folder)) {
    if (!value_.is_object())
      refuse_edit_file(where_, "is not an object",
                       "write {\"prompt\": \"...\", \"target\": \"...\"}");
  }

  // Returns the first of these fields that is neither null nor blank; null if there is none.
  const json* find(const std::vector<const char*>& names) {
    const json* found = nullptr;
    for (const auto* name : names) {
      read_.insert(name);
      auto at = value_.find(name);
      if (at == value_.end() || is_nothing(*at)) continue;
      if (found)
        refuse_edit_file(where_, fmt::format("'{}' repeats another field", name),
                         "remove one of them");
      found = &*at;
      name_ = name;
    }
    return found;
  }
  std::string text(const std::vector<const char*>& names) {
    const auto* found = find(names);
    return found ? as_text(*found) : std::string();
  }
  // An answer can also be a number.
  std::string answer(const std::vector<const char*>& names) {
    const auto* found = find(names);
    return found ? as_text(*found, /*numbers=*/true) : std::string();
  }
  std::vector<std::string> texts(const std::vector<const char*>& names) {
    std::vector<std::string> all;
    const auto* found = find(names);
    if (!found) return all;
    if (!found->is_array()) return {as_text(*found)};
    for (const auto& one : *found) all.push_back(as_text(one));
    if (std::any_of(all.begin(), all.end(), is_blank))
      refuse_edit_file(where_, fmt::format("'{}' contains an empty text", name_), "remove it");
    return all;
  }
  Picture picture(const std::vector<const char*>& names) {
    const auto name = text(names);
    return name.empty() ? Picture() : picture_named(name);
  }
  Picture picture_named(const std::string& name) const {
    if (name.find('\0') != std::string::npos)
      refuse_edit_file(where_, "the name of a picture contains a null byte", "correct the file");
    auto path = (folder_ / name).string();
    std::error_code error;
    if (!fs::is_regular_file(path, error))
      refuse_edit_file(where_, fmt::format("picture '{}' does not exist", path),
                       "names of pictures are relative to the folder of the file");
    return {path, nullptr};
  }
  std::string as_text(const json& value, bool numbers = false) const {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() && numbers) return value.dump();
    if (value.is_array() && value.size() == 1 && !value[0].is_array())
      return as_text(value[0], numbers);
    refuse_edit_file(where_, fmt::format("'{}' is not a string", name_),
                     "put it in quotation marks");
  }
  std::vector<std::string> unread() const {
    std::vector<std::string> names;
    for (const auto& [name, value] : value_.items())
      if (!read_.count(name)) names.push_back(name);
    return names;
  }
  const std::string& where() const { return where_; }
  const fs::path& folder() const { return folder_; }

 private:
  static bool is_nothing(const json& value) {
    return value.is_null() || (value.is_array() && value.empty()) ||
           (value.is_string() && is_blank(value.get_ref<const std::string&>()));
  }

  const json& value_;
  std::string where_;
  fs::path folder_;
  std::set<std::string> read_;
  std::string name_;  // the last field that was read
};

std::vector<json> as_list(const json* value) {
  if (!value) return {};
  return value->is_array() ? value->get<std::vector<json>>() : std::vector<json>{*value};
}

LocalityQuestion locality_question(const json& value, const std::string& where,
                                   const fs::path& folder) {
  if (value.is_string()) {
    auto [prompt, answer] = question_and_answer(value.get<std::string>(), where + ": locality");
    return {{}, prompt, answer};
  }
  Entry entry(value, where, folder);
  LocalityQuestion question{entry.picture({"image", "picture"}), entry.text({"prompt", "question"}),
                            entry.answer({"answer"})};
  if (is_blank(question.prompt))
    refuse_edit_file(where, "a locality question needs a 'prompt'", "write {\"prompt\": \"...\"}");
  if (const auto unread = entry.unread(); !unread.empty())
    refuse_edit_file(where,
                     fmt::format("unknown field '{}' in a locality question", unread.front()),
                     "use the fields image, prompt and answer");
  return question;
}

std::pair<std::string, std::string> consequence(const json& value, const std::string& where,
                                                const fs::path& folder) {
  std::pair<std::string, std::string> read;
  if (value.is_string()) {
    read = question_and_answer(value.get<std::string>(), where + ": follows");
  } else {
    Entry entry(value, where, folder);
    read = {entry.text({"prompt", "question", "port_q"}), entry.answer({"answer", "port_a"})};
    if (const auto unread = entry.unread(); !unread.empty())
      refuse_edit_file(where,
                       fmt::format("unknown field '{}' in an entry of 'follows'", unread.front()),
                       "use the fields prompt and answer");
  }
  if (is_blank(read.first) || is_blank(read.second))
    refuse_edit_file(where, "an entry of 'follows' needs a question and an answer",
                     "write \"QUESTION => ANSWER\"");
  return read;
}

void add_locality(Entry& entry, EditQuestion& edit) {
  for (const auto& one : as_list(entry.find({"locality"})))
    edit.locality.push_back(locality_question(one, entry.where(), entry.folder()));
  const auto text = entry.text({"loc", "locality_prompt"});
  const auto answer = entry.answer({"loc_ans", "locality_ground_truth"});
  if (!text.empty()) edit.locality.push_back({{}, text, answer});
  const auto picture = entry.picture({"m_loc"});
  const auto about = entry.text({"m_loc_q"}), seen = entry.answer({"m_loc_a"});
  if (about.empty()) return;
  if (!picture.present())
    refuse_edit_file(entry.where(),
                     "'m_loc_q' is a question about a picture, but 'm_loc' is missing",
                     "add the picture, or use 'loc' for a question without a picture");
  edit.locality.push_back({picture, about, seen});
}

EditQuestion read_edit(Entry& entry) {
  EditQuestion edit;
  edit.prompt = entry.text({"prompt", "src"});
  edit.target = entry.answer({"target", "alt", "target_new"});
  if (is_blank(edit.prompt) || is_blank(edit.target))
    refuse_edit_file(
        entry.where(),
        fmt::format("field '{}' is missing or empty", is_blank(edit.prompt) ? "prompt" : "target"),
        "add a prompt and a target (MMEdit: src and alt)");
  edit.image = entry.picture({"image", "picture"});
  edit.subject = entry.text({"subject"});
  edit.rephrasings = entry.texts({"rephrase", "rephrase_prompt"});
  for (const auto& name : entry.texts({"rephrase_image", "rephrase_images", "image_rephrase"}))
    edit.other_pictures.push_back(entry.picture_named(name));
  for (const auto& one : as_list(entry.find({"follows", "portability"})))
    edit.consequences.push_back(consequence(one, entry.where(), entry.folder()));
  add_locality(entry, edit);
  return edit;
}

// The edits of a file that were read so far.
class EarlierEdits {
 public:
  // Returns false if `edit` repeats an earlier one. Throws emend::Error if it gives the question of
  // an earlier one another target: both cannot hold.
  bool add(const EditQuestion& edit, const std::string& where) {
    const auto picture = fs::path(edit.image.path).lexically_normal().string();
    const auto [known, added] = targets_.try_emplace({edit.prompt, picture}, edit.target, where);
    const auto& [target, other] = known->second;
    if (!added && !same_answer(target, edit.target))
      refuse_edit_file(where,
                       fmt::format("the target '{}' contradicts the target '{}' of {}, which has "
                                   "the same prompt and picture",
                                   edit.target, target, other),
                       "remove one of them");
    return added || target != edit.target;
  }

 private:
  // prompt and picture -> target and entry
  std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> targets_;
};

}  // namespace

EditFile read_edit_file(const std::string& path) {
  EditFile file;
  EarlierEdits earlier;
  for (const auto& [value, where] : read_json_list(path)) {
    Entry entry(value, where, fs::path(path).parent_path());
    auto edit = read_edit(entry);
    if (earlier.add(edit, where))
      file.edits.push_back(std::move(edit));
    else
      file.repeated.push_back(where);
    for (const auto& name : entry.unread())
      if (std::find(file.ignored.begin(), file.ignored.end(), name) == file.ignored.end())
        file.ignored.push_back(name);
  }
  return file;
}

std::vector<LocalityQuestion> read_locality_file(const std::string& path) {
  std::vector<LocalityQuestion> questions;
  for (const auto& [value, where] : read_json_list(path))
    questions.push_back(locality_question(value, where, fs::path(path).parent_path()));
  return questions;
}

std::pair<std::string, std::string> question_and_answer(const std::string& text,
                                                        const std::string& what) {
  static const std::string arrow = " => ";
  const auto at = text.find(arrow);
  auto question = text.substr(0, at);
  auto answer = at == std::string::npos ? std::string() : text.substr(at + arrow.size());
  if (is_blank(question) || (at != std::string::npos && is_blank(answer)))
    throw Error("evaluation::edit_file",
                fmt::format("{} expects QUESTION => ANSWER, got '{}'", what, text),
                "for example \"Is the star red? => yes\"");
  return {question, answer};
}

}  // namespace emend
