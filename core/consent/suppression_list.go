package consent

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// maxListBytes is how long a list to import may be.
const maxListBytes = 8 << 20

// ReadSuppressions reads a list that another sender exported: CSV with a first line of
// names. The identifier stands under "namespace" and "value", or under the name of its
// namespace: "email", "phone". The columns "channel", "reason", "source" and "expiresAt"
// (RFC 3339) are taken where they are; other means what is not said. Columns of other
// names are left aside. Lines are named by their numbers in the path of an error.
func ReadSuppressions(from io.Reader, other SuppressInput) ([]SuppressInput, error) {
	bounded := &io.LimitedReader{R: from, N: maxListBytes + 1}
	r := csv.NewReader(bounded)
	r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = -1, true, true
	head, err := r.Read()
	if err != nil {
		return nil, core.Errorf(core.Invalid, "LIST_HEADER", "the first line of a list names its columns: email, or namespace and value").Wrap(err)
	}
	names := make([]string, len(head))
	for i, name := range head {
		names[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
	}
	if !slices.Contains(names, "email") && !slices.Contains(names, "phone") && (!slices.Contains(names, "namespace") || !slices.Contains(names, "value")) {
		return nil, core.Errorf(core.Invalid, "LIST_HEADER", "the first line of a list names its columns: email, phone, or namespace and value")
	}
	var out []SuppressInput
	for {
		row, err := r.Read()
		switch {
		case bounded.N <= 0:
			return nil, core.Errorf(core.Invalid, "LIST_TOO_LONG", "a list has at most %d MB; import it in parts", maxListBytes>>20)
		case errors.Is(err, io.EOF):
			return out, nil
		}
		line, _ := r.FieldPos(0)
		at := strconv.Itoa(line)
		if err != nil {
			var e *csv.ParseError
			if errors.As(err, &e) {
				at = strconv.Itoa(e.Line)
			}
			return nil, core.Errorf(core.Invalid, "LIST_CSV", "this line is no CSV: a quotation mark stands where none belongs").Wrap(err).At(at)
		}
		in, fault := suppressRow(names, row, other)
		if fault != nil {
			return nil, fault.At(at)
		}
		in.Line = line
		if out = append(out, in); len(out) > MaxSuppress {
			return nil, core.Errorf(core.Invalid, "LIST_TOO_LONG", "a list has at most %d lines; import it in parts", MaxSuppress)
		}
	}
}

func suppressRow(names, row []string, in SuppressInput) (SuppressInput, *core.Error) {
	for i, name := range names {
		if i >= len(row) || strings.TrimSpace(row[i]) == "" {
			continue
		}
		v := strings.TrimSpace(row[i])
		switch name {
		case "email", "phone":
			in.Identifier = event.Identifier{Namespace: name, Value: v}
		case "namespace":
			in.Identifier.Namespace = v
		case "value":
			in.Identifier.Value = v
		case "channel":
			in.Channel = strings.ToUpper(v)
		case "reason":
			in.Reason = strings.ToUpper(v)
		case "source":
			in.Source = v
		case "expiresat":
			at, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return in, core.Errorf(core.Invalid, "LIST_TIME", "write the time as 2026-12-31T00:00:00Z").At("expiresAt")
			}
			at = at.UTC().Truncate(time.Millisecond)
			in.ExpiresAt = &at
		}
	}
	return in, nil
}
