package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// stderr is the process's own: Serve has it read by the host from the first moment.
var stderr io.Writer = os.Stderr

// Logger returns the log of a connection. What is written to it reaches the host's log,
// with the secrets of the configuration taken out. It writes no value of a person: that
// is left to the author. A Host that is not of this package has slog's default.
func Logger(h Host) *slog.Logger {
	if l, ok := h.(interface{ Logger() *slog.Logger }); ok {
		return l.Logger()
	}
	return slog.Default()
}

// handler is the end of log/slog in a connector. Records go to the host that attends,
// and to standard error while none does.
type handler struct {
	attendance *attendance
	redactor   *redactor
	level      slog.Leveler
	group      []string
	attrs      []grouped
}

type grouped struct {
	group []string
	attr  slog.Attr
}

var _ slog.Handler = (*handler)(nil)

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	g := *h
	g.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		g.attrs = append(g.attrs, grouped{h.group, a})
	}
	return &g
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	g := *h
	g.group = append(slices.Clone(h.group), name)
	return &g
}

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	values := map[string]any{}
	for _, a := range h.attrs {
		put(values, a.group, a.attr)
	}
	r.Attrs(func(a slog.Attr) bool {
		put(values, h.group, a)
		return true
	})
	if len(values) == 0 {
		values = nil
	} else {
		values, _ = h.redactor.value(values).(map[string]any)
	}
	r.Message = clip(h.redactor.text(r.Message))
	line := logTo(r, values)
	if line.AttributesJson == nil && values != nil {
		line.AttributesJson = []byte(`{"attributes":"cannot be written as JSON"}`)
	}
	if h.attendance.tell(line) {
		return nil
	}
	out := map[string]any{"@level": strings.ToLower(r.Level.String()), "@message": r.Message, "@timestamp": r.Time.UTC()}
	maps.Copy(out, values)
	b, err := encode(out)
	if err != nil {
		return err
	}
	_, err = stderr.Write(append(b, '\n'))
	return err
}

// put sets a value as encoding/json would make it.
func put(values map[string]any, group []string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group = append(slices.Clone(group), a.Key)
		}
		for _, b := range v.Group() {
			put(values, group, b)
		}
		return
	}
	if a.Key == "" {
		return
	}
	for _, name := range group {
		inner, ok := values[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			values[name] = inner
		}
		values = inner
	}
	values[a.Key] = plain(v)
}

func plain(v slog.Value) any {
	switch v.Kind() {
	case slog.KindString:
		return clip(v.String())
	case slog.KindDuration:
		return v.Duration().String()
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindInt64, slog.KindUint64, slog.KindBool:
		return v.Any()
	}
	if err, ok := v.Any().(error); ok {
		return clip(err.Error())
	}
	b, err := encode(v.Any())
	if err != nil {
		return clip(fmt.Sprint(v.Any()))
	}
	var out any
	if json.Unmarshal(b, &out) != nil {
		return nil
	}
	return out
}

// attrs is the way back, in a steady order.
func attrs(values map[string]any) []slog.Attr {
	out := make([]slog.Attr, 0, len(values))
	for _, k := range sortedKeys(values) {
		if m, ok := values[k].(map[string]any); ok {
			out = append(out, slog.Attr{Key: k, Value: slog.GroupValue(attrs(m)...)})
			continue
		}
		out = append(out, slog.Any(k, values[k]))
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func byLength(m map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
}
