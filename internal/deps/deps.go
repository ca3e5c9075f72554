// Package deps keeps modules required that packages under way will import.
package deps

import (
	_ "github.com/casbin/casbin/v2"
	_ "github.com/prebid/go-gdpr/vendorconsent"
	_ "github.com/prebid/go-gpp"
	_ "golang.org/x/mod/sumdb/note"
	_ "golang.org/x/mod/sumdb/tlog"
)
