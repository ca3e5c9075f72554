module github.com/headwater-cdp/headwater/plugins

go 1.26.0
