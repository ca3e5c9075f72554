// Command hubspot is the connector for HubSpot.
package main

import (
	"github.com/headwater-cdp/headwater/connectors/hubspot"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func main() { sdk.Serve(hubspot.Connector{}) }
