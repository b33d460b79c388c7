#include "plumb/model/session.hpp"

#include <algorithm>
#include <functional>
#include <string>

#include "session_engine.hpp"
#include "session_options.hpp"
#include "shift.hpp"

namespace plumb::inline PLUMB_ABI {

SessionEngine::SessionEngine(Model handle, const SessionOptions& options)
    : model(std::move(handle)),
      threads(chosen_threads(options)),
      observer(options.observer),
      state(layer_states(spec()),
            {chosen_context(options, spec()), option_in_range("sequences", options.sequences, 1, kMaxSequences),
             chosen_batch(options, spec()), options.kv,
             option_in_range("checkpoints", options.checkpoints, 0, kMaxCheckpoints),
             option_in_range("checkpoint_every", options.checkpoint_every, 1, SpecLimits::kContext)}),
      scratch(scratch_sizes(spec()), chosen_batch(options, spec()), state.context(), threads),
      ropes(make_rope_tables(model.transformer(), state.context())),
      sequences(static_cast<std::size_t>(options.sequences)),
      at_once(reads_at_once(spec())),
      next(sequences.size()) {
  chunk.reserve(static_cast<std::size_t>(batch()));
  if (spec().output.head) scratch.reserve_logits(options.sequences, spec().vocab_size);
}

const SessionEngine::Sequence& SessionEngine::sequence(int s) const {
  if (s < 0 || s >= n_sequences())
    throw Error(ErrorCode::out_of_range,
                "sequence " + std::to_string(s) + " of a session with " + std::to_string(n_sequences()));
  return sequences[static_cast<std::size_t>(s)];
}

void SessionEngine::check_token(Token token) const {
  if (token < 0 || token >= spec().vocab_size)
    throw Error(ErrorCode::out_of_range,
                "token " + std::to_string(token) + " of a vocabulary of " + std::to_string(spec().vocab_size));
}

/// Where rows see later ones, so many tokens are a whole text, and the first that s reads.
void SessionEngine::check_begins(int s, std::size_t tokens) const {
  if (!at_once) return;
  constexpr const char* kWhy = ": attention sees later positions, so that a text is read in one pass";
  if (length(s) > 0)
    throw Error(ErrorCode::invalid_argument,
                "sequence " + std::to_string(s) + " has read " + std::to_string(length(s)) + " tokens" + kWhy);
  if (tokens > static_cast<std::size_t>(batch()))
    throw Error(ErrorCode::invalid_argument,
                std::to_string(tokens) + " tokens for a batch of " + std::to_string(batch()) + kWhy);
}

void SessionEngine::check(std::span<const BatchRow> rows, PassOutput output) {
  if (rows.empty()) throw Error(ErrorCode::invalid_argument, "a forward pass needs at least one row");
  if (rows.size() > static_cast<std::size_t>(batch()))
    throw Error(ErrorCode::invalid_argument,
                std::to_string(rows.size()) + " rows for a session with a batch of " + std::to_string(batch()));
  for (int s = 0; s < n_sequences(); ++s) next[static_cast<std::size_t>(s)] = length(s);
  for (const BatchRow& row : rows) {
    check_token(row.token);
    sequence(row.sequence);
    check_begins(row.sequence, 1);
    if (row.logits && output == PassOutput::logits && !spec().output.head)
      throw Error(ErrorCode::invalid_argument,
                  "logits of a model that has no head: " + model.source() + " makes embeddings");
    int& position = next[static_cast<std::size_t>(row.sequence)];
    if (row.position != position)
      throw Error(ErrorCode::invalid_argument, "position " + std::to_string(row.position) + " in sequence " +
                                                   std::to_string(row.sequence) + ", expected " +
                                                   std::to_string(position));
    if (position >= context())
      throw Error(ErrorCode::context_overflow, "position " + std::to_string(position) + " in sequence " +
                                                   std::to_string(row.sequence) + ": the context is " +
                                                   std::to_string(context()));
    ++position;
  }
}

ReadResult SessionEngine::forward(std::span<const BatchRow> rows, PassOutput output, const std::stop_token& cancel) {
  check(rows, output);
  for (const BatchRow& row : rows)
    if (read(row.sequence, {}, false, {cancel}) == ReadResult::stopped) return ReadResult::stopped;
  return run(rows, output, cancel);
}

/// Everything that may throw comes before the pass, so that tokens and state cannot disagree.
void SessionEngine::make_room(std::span<const BatchRow> rows, PassOutput output) {
  for (const BatchRow& row : rows) {
    std::vector<Token>& read = sequence(row.sequence).read;
    const auto size = static_cast<std::size_t>(row.position) + 1;
    if (read.capacity() < size) read.reserve(std::max(size, 2 * read.capacity()));
  }
  if (state.recurrent()) {  // elsewhere, reading the last token again is cheaper
    for (const BatchRow& row : rows) forget_logits(sequence(row.sequence));
    for (Sequence& own : sequences) {
      if (own.logits_row < 0) continue;
      const std::span<const float> last = logits(own.logits_row);
      own.kept.assign(last.begin(), last.end());
    }
  }
  const auto wanted = std::count_if(rows.begin(), rows.end(), [](const BatchRow& row) { return row.logits; });
  if (output == PassOutput::states) {
    if (wanted > scratch.states.rows()) stated = 0;
    return scratch.reserve_states(wanted, spec().width);
  }
  if (wanted > scratch.logits.rows()) {
    asked = 0;
    for (Sequence& own : sequences) own.logits_row = -1;
  }
  scratch.reserve_logits(wanted, spec().vocab_size);
}

/// One pass over rows that follow what the state holds. Where it is stopped, nothing of it counts.
ReadResult SessionEngine::run(std::span<const BatchRow> rows, PassOutput output, const std::stop_token& cancel) {
  if (cancel.stop_requested()) return ReadResult::stopped;
  make_room(rows, output);
  for (const BatchRow& row : rows) state.prepare(row.sequence, row.position, row.position + 1);
  ForwardPass pass(model.transformer(), ropes, state, scratch, rows, observer ? &observer : nullptr, output, &cancel);
  if (trace) trace->begin_pass();
  run_parallel(
      threads, [&](const Worker& worker) { pass.run(worker); }, trace);
  if (trace) trace->end_pass();
  if (pass.stopped()) {
    for (const BatchRow& row : rows) state.abandon(row.sequence, row.position + 1);
    return ReadResult::stopped;
  }
  for (Sequence& own : sequences) own.logits_row = -1;
  asked = stated = 0;
  for (const BatchRow& row : rows) {
    Sequence& own = sequence(row.sequence);
    if (row.position == static_cast<int>(own.read.size())) own.read.push_back(row.token);
    own.logits_row = row.logits && output == PassOutput::logits ? asked++ : -1;
    own.kept.clear();
    state.extend(row.sequence, row.position + 1);
  }
  for (const BatchRow& row : rows) {
    keep_checkpoint(row.sequence);
    if (output == PassOutput::states && row.logits) ++stated;
  }
  rows_read += rows.size();
  return ReadResult::done;
}

/// Copies the recurrent values of a sequence, if that is due: of large models many megabytes.
void SessionEngine::keep_checkpoint(int s) {
  if (std::byte* const place = state.begin_checkpoint(s))
    run_parallel(threads, [&](const Worker& worker) { state.write_checkpoint(s, place, worker); });
}

std::span<const float> SessionEngine::logits(int i) const {
  return made(scratch.logits, asked, i, spec().vocab_size, "logits");
}

/// Row i of what the last pass made `count` rows of.
std::span<const float> SessionEngine::made(const Rows& rows, int count, int i, int width, const char* what) const {
  if (i < 0 || i >= count)
    throw Error(ErrorCode::out_of_range, std::string(what) + " of row " + std::to_string(i) + ": the last pass has " +
                                             std::to_string(count) + " rows of " + what);
  return {rows.row(i), static_cast<std::size_t>(width)};
}

/// Reads the tokens of sequence s that its state does not hold, because they were handed out only or because it has
/// lost them, and then `more`, checked before; as many as the context holds. The last asks for logits if wanted, of a
/// model that has them.
ReadResult SessionEngine::read(int s, std::span<const Token> more, bool logits, const ReadWatch& watch) {
  Sequence& own = sequence(s);
  if (!state.complete(s)) rewind(s, state.length(s));
  const std::size_t first = static_cast<std::size_t>(state.length(s)), known = own.read.size();
  const std::size_t end = std::min(known + more.size(), static_cast<std::size_t>(context()));
  for (std::size_t done = first; done < end;) {
    const std::size_t count = std::min(end - done, static_cast<std::size_t>(batch()));
    chunk.clear();
    for (std::size_t i = done; i < done + count; ++i)
      chunk.push_back({i < known ? own.read[i] : more[i - known], static_cast<int>(i), s,
                       logits && spec().output.head && i + 1 == end});
    if (run(chunk, PassOutput::logits, watch.cancel) == ReadResult::stopped) return ReadResult::stopped;
    done += count;
    if (watch.progress) watch.progress(static_cast<double>(done - first) / static_cast<double>(end - first));
  }
  return ReadResult::done;
}

ReadResult SessionEngine::prefill(std::span<const Token> tokens, int s, const ReadWatch& watch) {
  const int before = length(s);
  if (tokens.empty()) throw Error(ErrorCode::invalid_argument, "no tokens to read: the prompt is empty");
  for (const Token token : tokens) check_token(token);
  check_begins(s, tokens.size());
  const std::size_t total = static_cast<std::size_t>(before) + tokens.size(),
                    most = static_cast<std::size_t>(context());
  if (total > most)
    throw Error(ErrorCode::context_overflow,
                std::to_string(tokens.size()) + " tokens" +
                    (before == 0 ? "" : " after the " + std::to_string(before) + " of the sequence") + " are " +
                    std::to_string(total - most) + " too many for a context of " + std::to_string(most));
  const std::span<const Token> own = sequence(s).read;
  const std::less<> before_in_memory;
  if (before_in_memory(tokens.data(), own.data()) || !before_in_memory(tokens.data(), own.data() + own.size()))
    return read(s, tokens, true, watch);
  const std::vector<Token> copy(tokens.begin(), tokens.end());  // its own tokens, which move as it grows
  return read(s, copy, true, watch);
}

/// Logits of the last token of a sequence, wherever they are; empty when they are nowhere.
std::span<const float> SessionEngine::last_logits(const Sequence& own) const {
  if (own.logits_row >= 0) return logits(own.logits_row);
  return own.kept;
}
void SessionEngine::forget_logits(Sequence& own) {
  own.logits_row = -1;
  own.kept.clear();
}

/// Reads again what the state of sequence s has lost. A token that was only handed out may wait.
void SessionEngine::settle(int s) {
  if (!state.complete(s) || state.length(s) + 1 < length(s)) (void)read(s, {}, true);
}

/// Cuts the state of sequence s back to `length` positions, or as far as it must be so that reading on gives the same.
void SessionEngine::rewind(int s, int length) {
  forget_logits(sequence(s));
  state.rewind(s, at_once ? 0 : state.restorable(s, length));
}

/// Makes last_logits() those of the last token of sequence s: it is read now if it was only handed out, and read again
/// if another pass has overwritten them and nobody has kept them, which gives the same bits.
ReadResult SessionEngine::read_to_continue(int s, const std::stop_token& cancel) {
  const bool held = state.complete(s) && state.length(s) == length(s);
  if (held && !last_logits(sequence(s)).empty()) return ReadResult::done;
  if (held) rewind(s, length(s) - 1);
  return read(s, {}, true, {cancel});
}

void SessionEngine::truncate(int s, int length) {
  Sequence& own = sequence(s);
  if (length < 0 || length > this->length(s))
    throw Error(ErrorCode::out_of_range, "cannot cut sequence " + std::to_string(s) + " of " +
                                             std::to_string(this->length(s)) + " tokens to " + std::to_string(length));
  if (length == this->length(s)) return;
  own.read.resize(static_cast<std::size_t>(length));
  if (state.length(s) > length) rewind(s, length);
}

void SessionEngine::copy(int from, int to, int length) {
  sequence(to);
  const Sequence& source = sequence(from);
  if (from == to) return truncate(to, length);
  if (length < 0 || length > this->length(from))
    throw Error(ErrorCode::out_of_range, "cannot copy " + std::to_string(length) + " tokens of sequence " +
                                             std::to_string(from) + ", which has " +
                                             std::to_string(this->length(from)));
  const int held = state.length(from);
  int kept = std::min(length, held);
  if (kept < held && at_once) kept = 0;
  if (kept < held || !state.complete(from)) kept = state.restorable(from, kept);
  Sequence& target = sequence(to);
  target.read.assign(source.read.begin(), source.read.begin() + length);
  forget_logits(target);
  if (kept == held && state.complete(from) && state.recurrent()) {  // elsewhere, reading a token again is cheaper
    const std::span<const float> last = last_logits(source);
    target.kept.assign(last.begin(), last.end());
  }
  state.copy(from, to, kept);
}

/// Where keys can be rotated what follows moves; elsewhere it is read again in its new place.
void SessionEngine::remove(int s, int first, int last) {
  Sequence& own = sequence(s);
  if (first < 0 || last < first || last > length(s))
    throw Error(ErrorCode::out_of_range, "cannot remove tokens " + std::to_string(first) + " to " +
                                             std::to_string(last) + " of the " + std::to_string(length(s)) +
                                             " of sequence " + std::to_string(s));
  if (first == last) return;
  const int held = state.length(s), end = std::min(last, held);
  if (first < held) {
    if (end == held || !can_shift(spec(), state))
      rewind(s, first);
    else
      shift(model.transformer(), ropes, state, s, {first, end}, threads);
  }
  own.read.erase(own.read.begin() + first, own.read.begin() + last);
}

Session::Session(Model model, const SessionOptions& options)
    : engine_(std::make_unique<SessionEngine>(std::move(model), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return engine_->model; }
int Session::context() const { return engine_->context(); }
int Session::threads() const { return engine_->threads; }
int Session::sequences() const { return engine_->n_sequences(); }
int Session::batch() const { return engine_->batch(); }
DType Session::kv_type() const { return engine_->state.kv_type(); }
std::span<const Token> Session::tokens(int s) const { return engine_->sequence(s).read; }
std::size_t Session::state_bytes() const { return engine_->state.bytes(); }
std::size_t Session::held_bytes() const { return engine_->state.held_bytes(); }
std::size_t Session::bytes() const { return engine_->state.bytes() + engine_->scratch.bytes(); }
std::uint64_t Session::rows_read() const { return engine_->rows_read; }
int Session::logit_rows() const { return engine_->asked; }
std::span<const float> Session::logits(int i) const { return engine_->logits(i); }
std::span<const float> Session::state(int i) const {
  return engine_->made(engine_->scratch.states, engine_->stated, i, engine_->spec().width, "states");
}

void Session::forward(std::span<const BatchRow> rows, PassOutput output) { engine_->forward(rows, output, {}); }
ReadResult Session::forward(std::span<const BatchRow> rows, PassOutput output, const std::stop_token& cancel) {
  return engine_->forward(rows, output, cancel);
}
void Session::prefill(std::span<const Token> tokens, int s) { engine_->prefill(tokens, s, {}); }
ReadResult Session::prefill(std::span<const Token> tokens, int s, const std::stop_token& cancel,
                            const std::function<void(double)>& progress) {
  return engine_->prefill(tokens, s, {cancel, progress});
}
void Session::truncate(int s, int length) { engine_->truncate(s, length); }
void Session::copy(int from, int to, int length) { engine_->copy(from, to, length); }
void Session::remove(int s, int first, int last) { engine_->remove(s, first, last); }

void Session::set_trace(Trace* trace) {
  if (trace) trace->prepare(engine_->threads);
  engine_->trace = trace;
}

}  // namespace plumb
