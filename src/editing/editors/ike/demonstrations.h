#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/settings/settings.h"

namespace emend {

// A demonstration for in-context editing: a new fact, and a question that is answered after it.
struct Demonstration {
  std::string kind;  // copy: the question of the fact; update: a rephrase with the same answer;
                     // retain: another question, whose answer does not change
  std::string prompt, target;    // the fact, without the leading space
  std::string question, answer;  // the question after the fact
  int64_t picture = -1;          // index of a picture of the corpus; -1: none
};

// Formats of demonstrations, facts and questions. {prompt} and {target} belong to the fact,
// {question} and {answer} to the question after it. The defaults are the strings of EasyEdit's IKE,
// which MMEdit uses, too.
struct IkeTemplates {
  std::string demonstration = "New Fact: {prompt} {target}\nPrompt: {question} {answer}\n\n";
  std::string fact = "New Fact: {prompt} {target}\n";
  std::string query = "Prompt: {question}";

  void declare(SettingList& list);
  // Throws emend::Error if a required placeholder is missing, or a placeholder is not allowed.
  void check() const;

  std::string format_demonstration(const Demonstration& demonstration) const;
  std::string format_fact(const std::string& prompt, const std::string& target) const;
  // The text before and after a question.
  std::pair<std::string, std::string> around_question() const;
};

// Replaces `{name}` by values[name]. Replaced text is not scanned again. Unknown names in braces
// are kept.
std::string fill_placeholders(const std::string& pattern,
                              const std::map<std::string, std::string>& values);

// The demonstration whose question is the prompt of the fact: a copy demonstration of the edit.
Demonstration copy_of(const std::string& prompt, const std::string& target);

// The demonstrations of a record as one array {prompt, target, picture, [[kind, question, answer],
// ...]}, which is the format of a saved corpus. Consecutive demonstrations of one fact form one
// entry.
nlohmann::json demonstrations_json(const std::vector<Demonstration>& demonstrations);
// Throws emend::Error, which names `file`, if the list is malformed.
std::vector<Demonstration> parse_demonstrations(const nlohmann::json& json,
                                                const std::string& file);

}  // namespace emend
