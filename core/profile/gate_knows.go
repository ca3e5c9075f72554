package profile

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
)

// Knows reports whether the actor may know of a person, whatever the person agreed to:
// it is Admits without the question of consent, for those who ask or write down what a
// person agreed to.
func (g *Gate) Knows(ctx context.Context, p *Profile) bool {
	ok, why := g.Admits(ctx, p)
	return ok || why == core.WithheldConsent && g.within(ctx, p)
}
