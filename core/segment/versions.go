package segment

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// Version is a segment as it was defined by one change.
type Version struct {
	store.Meta    `bson:",inline"` // key: workspace/seg_…/00000001
	Number        int64            `bson:"number"`
	Name          string           `bson:"name"`
	Where         string           `bson:"where,omitempty"` // canonical JSON
	WhereVersion  int              `bson:"whereVersion"`
	Words         string           `bson:"words,omitempty"` // as they read then
	TimeZone      string           `bson:"timeZone,omitempty"`
	ZoneOfProfile bool             `bson:"zoneOfProfile,omitempty"`
	By            string           `bson:"by,omitempty"` // the actor's id
	At            time.Time        `bson:"at"`
}

// Versions holds the history of definitions. Where and words may hold what a
// marketer wrote about people, not what people did.
var Versions = store.Declare[Version](store.Spec{
	Name:  "segment_versions",
	Reach: store.ReachNobody, // what members of the workspace wrote
	Data:  map[string]core.Category{"where": core.Unclassified, "words": core.Unclassified},
})

func versionKey(ws, id string, number int64) string {
	return store.Key(ws, id, fmt.Sprintf("%08d", number))
}

// versionOf returns the document of a segment's present version.
func versionOf(ctx context.Context, seg *Segment, names condition.Names, at time.Time) *Version {
	v := &Version{
		Meta: store.Meta{ID: versionKey(seg.Workspace(), seg.SegmentID(), seg.Version)}, Number: seg.Version,
		Name: seg.Name, Where: seg.Where, WhereVersion: seg.WhereVersion, TimeZone: seg.TimeZone, ZoneOfProfile: seg.ZoneOfProfile,
		At: millis(at),
	}
	if seg.Where != "" {
		if n, err := condition.ParseJSON([]byte(seg.Where)); err == nil {
			v.Words = condition.Words(n, names)
		}
	}
	if a := core.ActorFrom(ctx); a != nil {
		v.By = a.ID
	}
	return v
}

// Versions returns a window of a segment's versions, the latest first.
func (s *Service) Versions(ctx context.Context, ws, id string, w core.Window) (store.Page[Version], error) {
	if !isSegment(id) {
		return store.Page[Version]{}, notFound("id")
	}
	page, err := Versions.Page(ctx, s.db, store.Query{
		Workspace: ws, Where: []store.Cond{store.Prefix("_id", id+"/")}, Order: []string{"-_id"},
	}, w)
	return page, fail(err)
}

// Version returns a version of a segment, or nil.
func (s *Service) Version(ctx context.Context, ws, id string, number int64) (*Version, error) {
	if !isSegment(id) || number < 1 {
		return nil, nil
	}
	v, err := Versions.Get(ctx, s.db, versionKey(ws, id, number))
	return v, fail(err)
}
