#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// A setting of an editor, as users meet it.
struct SettingInfo {
  std::string name;
  nlohmann::json value;  // the default
  std::string range;     // "0 to 100", "adam, adamw, sgd", "true, false", "text"
  std::string meaning;
};

// What an editor can be told. Each setting is declared once, on its variable; reading, results and
// help follow from that. Points at the variables: make one, use it, drop it.
class SettingList {
 public:
  void whole(const char* name, int64_t& value, int64_t least, int64_t most, const char* meaning);
  void number(const char* name, double& value, double least, double most, const char* meaning);
  void flag(const char* name, bool& value, const char* meaning);
  void choice(const char* name, std::string& value, const std::vector<std::string>& choices,
              const char* meaning);
  void text(const char* name, std::string& value, const char* meaning);
  // A text that values() leaves out while it is empty, so that what was saved before there was such
  // a setting still says the same.
  void optional_text(const char* name, std::string& value, const char* meaning);

  // Sets what `given` (an object, or null) names. Throws emend::Error naming editor and setting
  // for a name that was not declared, or a value of another type or out of range.
  void read(const std::string& editor, const nlohmann::json& given) const;
  nlohmann::json values() const;  // {name: value} of all
  std::vector<SettingInfo> describe() const;

 private:
  struct Setting {
    std::string name, range, must, meaning;
    std::function<bool(const nlohmann::json&)> take;  // false: not such a value
    std::function<nlohmann::json()> show;
    bool left_out_empty = false;
  };
  std::vector<Setting> settings_;
};

// The three ways to use a struct of settings that has `void declare(SettingList&)`.
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

}  // namespace emend
