// The page of GraphiQL: asks for a token, keeps it for this tab, and sends it with every operation.
(function () {
  "use strict";
  const example = `# The single customer view. Put a token above, then an id or an identifier below.
query View {
  customerByIdentifier(namespace: "user_id", value: "1") {
    id
    identifiers { namespace value }
    rank { name since }
    rfm { recencyDays frequency monetary currency }
    segments { name since }
    timeline(first: 10) {
      totalCount
      edges { node { name occurredAt properties } }
    }
  }
}

# Why these identifiers are one customer, and what was decided on it.
query WhoIsThis {
  customerByIdentifier(namespace: "user_id", value: "1") {
    id
    formerIds
    identityGraph {
      nodes { namespace value isCurrent source rule score }
      edges { anchorId otherAnchorId rule source legalEntity linkedAt }
      heldApart { namespace value reason }
    }
    decisions(first: 10) { edges { node { id kind decidedBy why score undoneBy } } }
  }
}

# Who is probably one person.
query ReviewQueue {
  reviewQueue(first: 10) {
    edges { node {
      id score
      fields { field written otherWritten agreement weight }
      customer { id identifiers { namespace value } }
      otherCustomer { id identifiers { namespace value } }
    } }
  }
}

# undoDecision takes a merge or a split back, another undo as well. Needs identity:decide.
mutation Merge {
  mergeCustomers(input: { customerIds: ["...", "..."], why: "Same person, asked by telephone." }) {
    decision { id customer { id formerIds } }
  }
}
`;
  const field = document.getElementById("token");
  const root = ReactDOM.createRoot(document.getElementById("graphiql"));

  function show() {
    const token = sessionStorage.getItem("token") || "";
    const authorization = "Bearer " + token;
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    const fetcher = GraphiQL.createFetcher({
      url: "/graphql",
      headers: { Authorization: authorization },
      wsClient: graphqlWs.createClient({
        url: scheme + location.host + "/graphql",
        lazy: true,
        connectionParams: { authorization: authorization },
      }),
    });
    root.render(React.createElement(GraphiQL, { key: token, fetcher: fetcher, defaultQuery: example }));
  }

  document.getElementById("credential").addEventListener("submit", function (event) {
    event.preventDefault();
    sessionStorage.setItem("token", field.value.trim());
    show();
  });
  field.value = sessionStorage.getItem("token") || "";
  show();
})();
