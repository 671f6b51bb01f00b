#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/settings/settings.h"

namespace emend {

// What IKE shows a model: that a fact was told, and how a question is answered after it.
struct Demonstration {
  std::string kind;              // copy: the fact's own question; update: reworded, with the same
                                 // answer; retain: another question, whose answer stays
  std::string prompt, target;    // the fact; no leading space
  std::string question, answer;  // what is asked then
  int64_t picture = -1;          // of the corpus' pictures; -1: none
};

// How demonstrations, facts and questions are written. {prompt} and {target}: the fact's;
// {question} and {answer}: what is asked. The defaults are the strings of EasyEdit's IKE (MMEdit's
// too).
struct IkeTemplates {
  std::string demonstration = "New Fact: {prompt} {target}\nPrompt: {question} {answer}\n\n";
  std::string fact = "New Fact: {prompt} {target}\n";
  std::string query = "Prompt: {question}";

  void declare(SettingList& list);
  // Throws emend::Error when one lacks or has a placeholder that it must or cannot have.
  void check() const;

  std::string show(const Demonstration& demonstration) const;
  std::string tell(const std::string& prompt, const std::string& target) const;
  // What stands before and behind a question.
  std::pair<std::string, std::string> around_question() const;
};

// `{name}` replaced by values[name]; what was put in is not looked at again. Braces around other
// names stay.
std::string fill_places(const std::string& pattern,
                        const std::map<std::string, std::string>& values);

// The fact asked for in its own words: what shows the edit itself.
Demonstration copy_of(const std::string& prompt, const std::string& target);

// A record's demonstrations as one array {prompt, target, picture, [[kind, question, answer],
// ...]}, which is how a corpus is saved. Consecutive ones of one fact are one entry.
nlohmann::json demonstrations_json(const std::vector<Demonstration>& demonstrations);
// Throws emend::Error that names `file` when it is no such list.
std::vector<Demonstration> demonstrations_from(const nlohmann::json& json, const std::string& file);

}  // namespace emend
