// What the agent tells the monitor: messages in the arena's mailbox. Never blocks.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

using stream::Message;
using stream::MessageKind;

/// A free slot of the mailbox, or null if it is full (counted). Fill it, then send().
Message* new_message(Thread* t, MessageKind kind);
void set_text(Message* m, const char* text);
void send(Message* m);

void report_argument_divergence(Call& c, int arg, uint64_t leader_value);
void report_bytes_divergence(Call& c, const uint8_t* leader, uint32_t leader_size,
                             const uint8_t* own, uint32_t own_size);
void report_name_divergence(Call& c, const char* leader, const char* own);
void report_result_divergence(Call& c, long own);
void report_sequence_divergence(Call& c, const EventHeader& leader);
void report_refused(Call& c);
void note(Thread* t, const char* text);

}  // namespace mx::agent
