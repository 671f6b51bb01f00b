#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace emend::cli {

// Validators of option values. They check the text before its conversion to the option's type, so
// that -1 is out of range for an unsigned option, too. A message reads "--limit must be between 0
// and 1000000".
CLI::Validator whole_number(int64_t least, int64_t most);
CLI::Validator real_number(double least, double most);

// A number of bytes with an optional unit, such as 512M or 4G (powers of 1024). The value becomes
// a plain number of bytes.
CLI::Validator memory_size();

// An existing day: "--date must be a date such as 2024-07-26, not 'today'".
CLI::Validator date();

// One of several words: "--mode must be one of single, sequential, batch". With a map, the word is
// replaced by its value.
CLI::Validator one_of(const std::vector<std::string>& words);
// One or several of the words, separated by commas.
CLI::Validator list_of(const std::vector<std::string>& words);
template <typename T>
CLI::Validator one_of(const std::map<std::string, T>& values) {
  std::vector<std::string> words;
  for (const auto& [word, value] : values) words.push_back(word);
  const auto check = one_of(words);
  return {[check, values](std::string& text) {
            auto problem = check(text);
            if (problem.empty()) text = std::to_string(static_cast<int64_t>(values.at(text)));
            return problem;
          },
          check.get_description()};
}

// Upper limits of options that several commands have.
inline constexpr int64_t kMostRecords = 1000000000;
inline constexpr int64_t kMostProbes = 10000;

}  // namespace emend::cli
