#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/error.h"

namespace emend {

// Reads an editor's settings from JSON; what it was not asked for is an error that names it.
class SettingsReader {
 public:
  SettingsReader(std::string editor, const nlohmann::json& settings)
      : editor_(std::move(editor)), settings_(settings) {
    if (!settings_.is_object() && !settings_.is_null())
      fail("settings are not a list of names and values", "give them as --set name=value");
  }

  // Leaves `value` as it is when the setting is not given.
  void read(const std::string& name, double& value) {
    if (auto* given = take(name)) {
      if (!given->is_number()) wrong(name, "a number");
      value = given->get<double>();
    }
  }
  void read(const std::string& name, int64_t& value) {
    if (auto* given = take(name)) {
      if (!given->is_number_integer()) wrong(name, "a whole number");
      value = given->get<int64_t>();
    }
  }
  void read(const std::string& name, bool& value) {
    if (auto* given = take(name)) {
      if (!given->is_boolean()) wrong(name, "true or false");
      value = given->get<bool>();
    }
  }
  void read(const std::string& name, std::string& value) {
    if (auto* given = take(name)) {
      if (!given->is_string()) wrong(name, "text");
      value = given->get<std::string>();
    }
  }
  // Call when every setting was read.
  void done() const {
    if (!settings_.is_object()) return;
    for (const auto& [name, value] : settings_.items())
      if (std::find(known_.begin(), known_.end(), name) == known_.end())
        fail(fmt::format("editor '{}' has no setting '{}'", editor_, name),
             fmt::format("it has {}", fmt::join(known_, ", ")));
  }
  [[noreturn]] void wrong(const std::string& name, const std::string& wanted) const {
    fail(fmt::format(
             "setting '{}' of editor '{}' is {}", name, editor_,
             settings_.at(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)),
         fmt::format("it must be {}", wanted));
  }

 private:
  const nlohmann::json* take(const std::string& name) {
    known_.push_back(name);
    return settings_.is_object() && settings_.contains(name) ? &settings_.at(name) : nullptr;
  }
  [[noreturn]] void fail(const std::string& what, const std::string& hint) const {
    throw Error("editing::settings", what, hint);
  }

  std::string editor_;
  const nlohmann::json& settings_;
  std::vector<std::string> known_;
};

}  // namespace emend
