#pragma once

#include "editing/editor.h"
#include "evaluation/measuring/measure.h"

namespace emend::bench {

// A record like those of E-VQA: an edit with its five probes and three distinct pictures (that of
// the edit, another one of the same object, an unrelated one), drawn with `pixels` per side. The
// texts have the length of the dataset's texts.
Record sample_record(int pixels);

// mmedit-2024 with teacher forcing only, because the field's code does not generate.
Protocol sample_protocol();

// The edit request of a record under a protocol.
EditRequest request_of(const Record& record, const Protocol& protocol);

}  // namespace emend::bench
