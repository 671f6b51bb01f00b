#include "editing/settings/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;

std::string shown(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 200);
}

// JSON stores whole numbers above the int64 range as unsigned.
bool fits_int64(const json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() ||
          value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
}

}  // namespace

void SettingList::whole(const char* name, int64_t& value, int64_t least, int64_t most,
                        const char* meaning) {
  auto take = [&value, least, most](const json& given) {
    if (!fits_int64(given)) return false;
    value = given.get<int64_t>();
    return value >= least && value <= most;
  };
  settings_.push_back({name, fmt::format("{} to {}", least, most),
                       fmt::format("a whole number between {} and {}", least, most), meaning, take,
                       [&value] { return json(value); }});
}

void SettingList::number(const char* name, double& value, double least, double most,
                         const char* meaning) {
  auto take = [&value, least, most](const json& given) {
    if (!given.is_number()) return false;
    value = given.get<double>();
    return value >= least && value <= most;
  };
  settings_.push_back({name, fmt::format("{:g} to {:g}", least, most),
                       fmt::format("a number between {:g} and {:g}", least, most), meaning, take,
                       [&value] { return json(value); }});
}

void SettingList::flag(const char* name, bool& value, const char* meaning) {
  auto take = [&value](const json& given) {
    if (!given.is_boolean()) return false;
    value = given.get<bool>();
    return true;
  };
  settings_.push_back(
      {name, "true, false", "true or false", meaning, take, [&value] { return json(value); }});
}

void SettingList::choice(const char* name, std::string& value,
                         const std::vector<std::string>& choices, const char* meaning,
                         const std::map<std::string, std::string>& aliases) {
  auto take = [&value, choices, aliases](const json& given) {
    if (!given.is_string()) return false;
    value = given.get<std::string>();
    if (const auto found = aliases.find(value); found != aliases.end()) value = found->second;
    return std::find(choices.begin(), choices.end(), value) != choices.end();
  };
  auto listed = fmt::format("{}", fmt::join(choices, ", "));
  settings_.push_back(
      {name, listed, "one of " + listed, meaning, take, [&value] { return json(value); }});
}

void SettingList::text(const char* name, std::string& value, const char* meaning) {
  auto take = [&value](const json& given) {
    if (!given.is_string()) return false;
    value = given.get<std::string>();
    return true;
  };
  settings_.push_back({name, "text", "text", meaning, take, [&value] { return json(value); }});
}

void SettingList::numbers(const char* name, std::string& value, const char* meaning) {
  auto take = [&value](const json& given) {
    if (given.is_string()) {
      value = given.get<std::string>();
      return true;
    }
    const auto list = given.is_array() ? given : json::array({given});
    std::vector<std::string> numbers;
    for (const auto& number : list) {
      if (!number.is_number_integer() || number < 0) return false;
      numbers.push_back(number.dump());
    }
    if (numbers.empty()) return false;
    value = fmt::format("{}", fmt::join(numbers, ","));
    return true;
  };
  settings_.push_back({name, "text or numbers", "a text such as 3-5, or a list of whole numbers",
                       meaning, take, [&value] { return json(value); }});
}

void SettingList::optional_text(const char* name, std::string& value, const char* meaning) {
  text(name, value, meaning);
  settings_.back().omit_empty = true;
}

void SettingList::read(const std::string& editor, const json& given) const {
  if (given.is_null()) return;
  if (!given.is_object())
    throw Error(
        "editing::settings",
        fmt::format("the settings of editor '{}' are {}, which is not a mapping of names to values",
                    editor, shown(given)),
        "use --set NAME=VALUE, or a file with lines of NAME: VALUE");
  for (const auto& [given_name, value] : given.items()) {
    const auto renamed = aliases_.find(given_name);
    const auto& name = renamed == aliases_.end() ? given_name : renamed->second;
    if (name != given_name && given.contains(name))
      throw Error("editing::settings",
                  fmt::format("editor '{}' has '{}' and '{}', which are one setting", editor, name,
                              given_name),
                  fmt::format("remove '{}', the older name", given_name));
    auto found = std::find_if(settings_.begin(), settings_.end(),
                              [&](const Setting& s) { return s.name == name; });
    if (found == settings_.end()) {
      std::vector<std::string> known;
      for (const auto& setting : settings_) known.push_back(setting.name);
      throw Error("editing::settings",
                  fmt::format("editor '{}' has no setting '{}'", editor, name.substr(0, 200)),
                  fmt::format("available settings: {}", fmt::join(known, ", ")));
    }
    if (!found->take(value))
      throw Error("editing::settings",
                  fmt::format("setting '{}' of editor '{}' is {}", name, editor, shown(value)),
                  "it must be " + found->must);
  }
}

json SettingList::values() const {
  auto all = json::object();
  for (const auto& setting : settings_)
    if (auto value = setting.show(); !setting.omit_empty || value != "")
      all[setting.name] = std::move(value);
  return all;
}

std::vector<SettingInfo> SettingList::describe() const {
  std::vector<SettingInfo> all;
  for (const auto& setting : settings_)
    all.push_back({setting.name, setting.show(), setting.range, setting.meaning});
  return all;
}

}  // namespace emend
