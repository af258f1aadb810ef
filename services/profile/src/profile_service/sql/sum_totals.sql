SELECT count(*) AS customers,
       COALESCE(sum(event_count), 0)::bigint AS events,
       COALESCE(sum(purchase_count - simulated_count), 0)::bigint AS purchases,
       COALESCE(sum(purchase_total - simulated_total), 0) AS revenue,
       COALESCE(sum(simulated_count), 0)::bigint AS purchases_simulated,
       COALESCE(sum(simulated_total), 0) AS revenue_simulated
FROM customers
