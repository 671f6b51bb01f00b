#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// Checksums of the files that an editor reads besides the weights of the model: `checkpoint` (its
// trained networks; if the setting is empty, those of this editor in the model folder) and
// `statistics`. They are read from the headers, which contain checksums of the contents. Files that
// do not exist or cannot be read are left out, because the edit reports them.
nlohmann::json editor_files(const std::string& model_folder, const std::string& editor,
                            const nlohmann::json& settings);

}  // namespace emend
