package profile

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
)

// MaskRelease returns a release as the actor may see it.
func (g *Gate) MaskRelease(r *Release) *Release {
	if r == nil {
		return nil
	}
	c := *r
	id := r.Named()
	if d := g.Category(IdentifierCategory(id.Namespace)); !d.Allowed() {
		c.Identifier = id.Namespace + ":" + g.MaskText(d, id.Namespace, id.Value)
	}
	if !g.Category(core.FreeText).Allowed() {
		c.Reason, c.RestoredReason = "", ""
	}
	return &c
}

// ShowReleases is ReleasesOf a person who was shown.
func (g *Gate) ShowReleases(ctx context.Context, p *Profile) ([]*Release, error) {
	list, err := g.svc.ReleasesOf(ctx, p)
	for i := range list {
		list[i] = g.MaskRelease(list[i])
	}
	return list, err
}

// ShowRelease returns the release with an id, nil where the person whom it is about may
// not be seen.
func (g *Gate) ShowRelease(ctx context.Context, id string) (*Release, error) {
	r, err := g.svc.GetRelease(ctx, g.ws, id)
	if r == nil || err != nil {
		return nil, err
	}
	if ok, err := g.admitsParts(ctx, []string{r.Part}); !ok || err != nil {
		return nil, err
	}
	return g.MaskRelease(r), g.note(ctx, "release", r.Part)
}

// withholdReleases says what ShowReleases hides of a person who let go of something.
func (p *Profile) withholdReleases(g *Gate) {
	if p.ReleasedSeq == 0 {
		return
	}
	for _, c := range []core.Category{core.IdentifierID, core.Contact} {
		if d := g.Category(c); !d.Allowed() {
			p.withhold(d, "releases.value")
		}
	}
	if d := g.Category(core.FreeText); !d.Allowed() {
		p.withhold(d, "releases.reason")
	}
}
