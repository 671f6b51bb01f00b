#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// A setting of an editor, as documented for users.
struct SettingInfo {
  std::string name;
  nlohmann::json value;  // the default
  std::string range;     // "0 to 100", "adam, adamw, sgd", "true, false", "text"
  std::string meaning;
};

// The settings of an editor. Each setting is declared once, with its variable; parsing, results and
// help use the declaration. The list keeps pointers to the variables, which must outlive it.
class SettingList {
 public:
  void whole(const char* name, int64_t& value, int64_t least, int64_t most, const char* meaning);
  void number(const char* name, double& value, double least, double most, const char* meaning);
  void flag(const char* name, bool& value, const char* meaning);
  // `aliases`, {alias: choice}, are accepted as well; the value is then the choice.
  void choice(const char* name, std::string& value, const std::vector<std::string>& choices,
              const char* meaning, const std::map<std::string, std::string>& aliases = {});
  void text(const char* name, std::string& value, const char* meaning);
  // A text, a whole number, or a list of whole numbers: "3,4,5", 3 and [3, 4, 5] are the texts
  // 3,4,5 and 3. The caller checks the text.
  void numbers(const char* name, std::string& value, const char* meaning);
  // A text that values() omits if it is empty, so that the files of versions without this setting
  // keep their meaning.
  void optional_text(const char* name, std::string& value, const char* meaning);

  // Accepts `old_name` for `name`, which has been renamed. Values have the new name.
  void alias(const char* old_name, const char* name) { aliases_[old_name] = name; }

  // Sets the settings that `given` (an object or null) has. Throws emend::Error, which names editor
  // and setting, if a name was not declared or is given twice (under its old name, too), or a value
  // has the wrong type or is out of range.
  void read(const std::string& editor, const nlohmann::json& given) const;
  nlohmann::json values() const;  // {name: value} of all settings
  std::vector<SettingInfo> describe() const;

 private:
  struct Setting {
    std::string name, range, must, meaning;
    std::function<bool(const nlohmann::json&)> take;  // returns false if the value is invalid
    std::function<nlohmann::json()> show;
    bool omit_empty = false;
  };
  std::vector<Setting> settings_;
  std::map<std::string, std::string> aliases_;  // {old name: name}
};

// Functions for a struct of settings that has `void declare(SettingList&)`.
template <class Settings>
Settings read_settings(const std::string& editor, const nlohmann::json& given) {
  Settings settings;
  SettingList list;
  settings.declare(list);
  list.read(editor, given);
  return settings;
}
template <class Settings>
nlohmann::json settings_json(Settings settings) {
  SettingList list;
  settings.declare(list);
  return list.values();
}
template <class Settings>
std::vector<SettingInfo> describe_settings() {
  Settings settings;
  SettingList list;
  settings.declare(list);
  return list.describe();
}
// Reads the values that these settings have from those of a larger set, such as a checkpoint's.
template <class Settings>
Settings read_known_settings(const std::string& editor, const nlohmann::json& given) {
  auto known = nlohmann::json::object();
  for (const auto& setting : describe_settings<Settings>())
    if (given.contains(setting.name)) known[setting.name] = given[setting.name];
  return read_settings<Settings>(editor, known);
}

}  // namespace emend
