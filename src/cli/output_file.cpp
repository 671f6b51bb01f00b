#include "cli/output_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/error.h"
#include "io/files/writable.h"
#include "io/tensors/safetensors.h"

namespace emend::cli {

std::string file_format(const std::string& path) {
  try {
    const auto file = SafetensorsFile::open(path);
    const auto found = file->metadata().find("format");
    return found == file->metadata().end() ? std::string() : found->second;
  } catch (const Error&) {
    return {};
  }
}

void check_output_file(const std::string& output, const std::vector<std::string>& inputs,
                       const std::string& format) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (output.empty() || fs::is_directory(output, error))
    throw Error("cli::output", fmt::format("'{}' is a folder", output),
                "give the name of a file with -o");
  const auto folder = fs::path(output).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, error))
    throw Error("cli::output", fmt::format("folder '{}' does not exist", folder.string()),
                "create it, or write to another folder (-o)");
  for (const auto& input : inputs)
    if (!input.empty() && fs::equivalent(input, output, error))
      throw Error("cli::output", fmt::format("the output '{}' is also an input", output),
                  "give another file with -o");
  if (fs::exists(output, error) && file_format(output) != format)
    throw Error("cli::output",
                fmt::format("'{}' exists and is not a file that this command replaces", output),
                "give another file with -o, or delete it first");
  check_writable_file(output);
}

}  // namespace emend::cli
