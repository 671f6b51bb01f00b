#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace emend {

// The command of `emend` that does what a request asks for, as a user types it into a POSIX shell.
class CommandLine {
 public:
  // `command`: the name of the command. `arguments` go to every command, such as those of the
  // model.
  CommandLine(const std::string& command, const std::vector<std::string>& arguments);

  // Adds an option with its value, quoted if necessary.
  CommandLine& option(const char* name, const std::string& value);
  // The same unless the value is empty.
  CommandLine& option_if_given(const char* name, const std::string& value);
  CommandLine& options(const char* name, const std::vector<std::string>& values);
  CommandLine& flag(const char* name);

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace emend
