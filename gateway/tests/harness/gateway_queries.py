"""Operations used by several tests."""

VIEW = """
query View($id: ID!) {
  customer(id: $id) {
    id
    identifiers { namespace value source linkedAt }
    traits { name value source observedAt }
    rfm { recencyDays frequency monetary currency }
    rank { key name since }
    segments { key name since }
    timeline(first: 20) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { cursor node { id name kind source occurredAt properties } }
    }
    messages(first: 10) { id campaignKey state requestedAt openedAt }
    permissions { channel topic status }
    responses { questionnaireKey npsScore answers { questionKey value } }
    commitments { kind subject status dueOn }
    journeys { journeyKey arm step status }
  }
}
"""
