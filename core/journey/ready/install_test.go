package ready_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/journey/ready"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/template"
)

// What a ready journey's templates say at first has no problem that would keep it from
// being published.
func TestTheFirstTextsAreSound(t *testing.T) {
	all, err := ready.Journeys()
	require.NoError(t, err)
	for _, j := range all {
		for _, one := range j.Templates {
			c := one.Content()
			text := c.Locales["en"]
			for kind, source := range map[template.Kind]string{template.HTML: text.HTML, template.Text: text.Text, template.Line: text.Subject} {
				made, findings := template.Parse(source, kind, nil)
				require.NotNil(t, made, "%s: %v", one.Key, findings)
				for _, f := range made.Lint(nil, false) {
					require.NotEqual(t, template.LevelError, f.Level, "%s: %s", one.Key, f.Message)
				}
			}
			require.Contains(t, library.Families, map[string]string{"nurture": "NURTURE", "onboarding": "ONBOARDING", "re-engagement": "REENGAGEMENT", "post-sale": "POST_SALE"}[one.Family])
		}
	}
}
