package segment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// The limits of a definition.
const (
	MaxName        = 200    // bytes
	MaxDescription = 2000   // bytes
	MaxTags        = 20     // of a segment
	MaxTag         = 50     // bytes
	MaxSegments    = 10_000 // of a workspace, archived ones aside
)

// CreateInput describes a new segment.
type CreateInput struct {
	Name        string
	Description string
	// Where is the condition as decoded JSON: maps, slices, strings, booleans and
	// numbers. A static list has none.
	Where any
	// Kind is Dynamic when empty. Predictive demands a condition that asks for a
	// prediction; Static makes an empty list.
	Kind Kind
	// TimeZone is where calendar units begin, an IANA name; "" is UTC. With
	// ZoneOfProfile each person's own zone goes first.
	TimeZone      string
	ZoneOfProfile bool
	Tags          []string
	// IdempotencyKey makes a second Create with the same input return the same
	// segment; with another input it is CONFLICT, reason IDEMPOTENCY_KEY_REUSED.
	IdempotencyKey string

	origin string          // what a list is to be filled from, to tell repetitions
	rests  []core.Category // what that rests on
}

// Outcome is a changed segment and what follows from the change.
type Outcome struct {
	Segment  *Segment
	Job      string // job_… that brings the memberships up to date; "" when there is nothing to do
	Warnings []condition.Warning
	Preview  *Preview // of a dry run
}

// Create stores a new segment. What is wrong with the input comes as Faults, all at
// once, with paths below the input ("where", "and", "0", …). A segment with a
// condition is BUILDING until its job has looked at everybody; Create waits a second
// for it, so that a small workspace sees the members at once.
func (s *Service) Create(ctx context.Context, ws string, in CreateInput) (*Outcome, error) {
	at := s.clock.Now()
	id := core.NewID(core.PrefixSegment, at)
	if in.IdempotencyKey != "" {
		id = core.HashID(core.PrefixSegment, ws, "idem", in.IdempotencyKey)
	}
	sum, err := in.sum()
	if err != nil {
		return nil, err
	}
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	if in.IdempotencyKey != "" { // before the checks: what it refers to may have gone since
		if old, err := s.repeated(ctx, ws, id, sum); old != nil || err != nil {
			return old, fail(err)
		}
	}
	var warnings []condition.Warning
	var seg *Segment
	build := id
	if in.Kind == Static {
		build = ""
	}
	job, err := s.redefine(ctx, ws, build, func(rev int64) ([]store.Op, error) {
		voc, err := s.vocabularyNow(ctx, ws)
		if err != nil {
			return nil, err
		}
		if voc.inUse() >= MaxSegments {
			return nil, invalid("TOO_MANY_SEGMENTS", "a workspace has at most %d segments; archive those that are not used", MaxSegments)
		}
		if voc.segments[id] != nil {
			return nil, errTaken
		}
		seg, warnings, err = s.draft(voc, id, &in, at, by)
		if err != nil {
			return nil, err
		}
		seg.Since, seg.IdempotencyKey = rev, sum
		return []store.Op{Segments.Insert(seg), Versions.Insert(versionOf(ctx, seg, voc.names(), at))}, nil
	})
	if errors.Is(err, errTaken) {
		old, err := s.repeated(ctx, ws, id, sum)
		return old, fail(err)
	}
	if err != nil {
		return nil, fail(err)
	}
	out, err := s.follow(ctx, ws, id, job)
	if err != nil {
		return nil, fail(err)
	}
	out.Warnings = warnings
	return out, nil
}

// errTaken says that an idempotency key made its segment already.
var errTaken = errors.New("segment: the id is taken")

// repeated answers a Create whose idempotency key was used; nil when it was not.
func (s *Service) repeated(ctx context.Context, ws, id, sum string) (*Outcome, error) {
	old, err := Segments.Get(ctx, s.db, store.Key(ws, id))
	if old == nil || err != nil {
		return nil, err
	}
	if old.IdempotencyKey != sum {
		return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another segment; use a new one").At("idempotencyKey")
	}
	return &Outcome{Segment: old, Job: old.Backfill}, nil
}

// draft checks in and returns the segment that it describes.
func (s *Service) draft(voc *vocabulary, id string, in *CreateInput, at time.Time, by *sight) (*Segment, []condition.Warning, error) {
	seg := &Segment{
		Meta: store.Meta{ID: store.Key(voc.ws, id)}, Name: strings.TrimSpace(in.Name), Description: in.Description,
		Kind: in.Kind, Status: Building, Version: 1, TimeZone: in.TimeZone, ZoneOfProfile: in.ZoneOfProfile,
		Tags: tidyTags(in.Tags), Rests: in.rests, CreatedAt: millis(at), UpdatedAt: millis(at),
	}
	if seg.Kind == "" {
		seg.Kind = Dynamic
	}
	faults := checkAbout(seg)
	var warnings []condition.Warning
	if seg.Kind == Static {
		seg.Status = Live
		if in.Where != nil {
			faults = append(faults, invalid("STATIC_WHERE", "a static list has no condition; leave it out, or make the segment DYNAMIC").At("where"))
		}
	} else {
		n, more, w, err := voc.check(in.Where, id, seg.Kind, by, in.ZoneOfProfile)
		if err != nil {
			return nil, nil, err
		}
		faults, warnings = append(faults, more...), w
		if n != nil {
			faults = append(faults, define(seg, n)...)
		}
	}
	return seg, warnings, faultsAt(faults)
}

// define sets a segment's condition.
func define(seg *Segment, n *condition.Node) []*core.Error {
	raw, err := condition.MarshalJSON(n)
	if err != nil {
		return []*core.Error{core.AsError(err).At("where")}
	}
	seg.Where, seg.WhereVersion, seg.Refers = string(raw), condition.Version, refers(n)
	return nil
}

// checkAbout returns what is wrong with a segment but for its condition.
func checkAbout(seg *Segment) []*core.Error {
	var faults []*core.Error
	if seg.Name == "" || len(seg.Name) > MaxName || !oneLine(seg.Name) {
		faults = append(faults, invalid("NAME", "the name of a segment has 1 to %d bytes, in one line without control characters", MaxName).At("name"))
	}
	if len(seg.Description) > MaxDescription || !utf8.ValidString(seg.Description) || strings.ContainsRune(seg.Description, 0) {
		faults = append(faults, invalid("DESCRIPTION", "a description has at most %d bytes of text", MaxDescription).At("description"))
	}
	if !slices.Contains([]Kind{Dynamic, Static, Predictive}, seg.Kind) {
		faults = append(faults, invalid("KIND", "the kind of a segment is DYNAMIC, STATIC or PREDICTIVE").At("kind"))
	}
	if err := checkZone(seg.TimeZone); err != nil {
		faults = append(faults, err)
	}
	if len(seg.Tags) > MaxTags {
		faults = append(faults, invalid("TAGS", "a segment has at most %d tags", MaxTags).At("tags"))
	}
	for _, tag := range seg.Tags {
		if len(tag) > MaxTag || !oneLine(tag) {
			faults = append(faults, invalid("TAG", "a tag has at most %d bytes, in one line without control characters", MaxTag).At("tags"))
			break
		}
	}
	return faults
}

// oneLine tells whether a text can stand in a line of a list, a log or a sentence.
func oneLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// checkZone returns what is wrong with the name of a time zone, nil for nothing.
func checkZone(name string) *core.Error {
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return invalid("TIME_ZONE", "the time zone must be a name of the IANA database, such as Europe/Bucharest").At("timeZone")
	}
	return nil
}

// tidyTags trims tags, drops empty and repeated ones and sorts the rest.
func tidyTags(tags []string) []string {
	var out []string
	for _, tag := range tags {
		if tag = strings.TrimSpace(tag); tag != "" {
			out = append(out, tag)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sum is a hash of what the input says, to tell a repetition from another request.
func (in CreateInput) sum() (string, error) {
	in.IdempotencyKey = ""
	raw, err := json.Marshal(in) // of maps, the keys are sorted
	if err != nil {
		return "", invalid("CONDITION", "the condition is not JSON").At("where").Wrap(err)
	}
	h := sha256.Sum256(append(raw, in.origin...))
	return hex.EncodeToString(h[:16]), nil
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
