#pragma once

#include "editing/registry.h"

// One declaration for each editor. Each function is defined in the source file of the editor.
namespace emend {

EditorInfo ft_editor();
EditorInfo lora_editor();
EditorInfo ike_editor();
EditorInfo ke_editor();
EditorInfo mend_editor();
EditorInfo mend_iterated_editor();
EditorInfo serac_editor();
EditorInfo rome_editor();
EditorInfo memit_editor();
EditorInfo alphaedit_editor();
EditorInfo ledger_editor();
EditorInfo ultraedit_editor();
EditorInfo grace_editor();
EditorInfo wise_editor();
EditorInfo liveedit_editor();

}  // namespace emend
