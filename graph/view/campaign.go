package view

import "github.com/headwater-cdp/headwater/core/campaign"

// CampaignConnection is a page of campaigns.
type CampaignConnection = Connection[campaign.Campaign]

// CampaignEdge is an item of such a page.
type CampaignEdge = Edge[campaign.Campaign]
